import CPmem

/// Getting a place to append to: a head whose open segment has room, or, with it, the segments
/// that the write goes on to.
extension Space {
    /// Returns a head with room for a record and its summary.
    ///
    /// The caller holds no shard. Throws `outOfSpace` when there is no room and none can be made.
    ///
    /// - Parameter again: the same write has had a head and given it back.
    @inline(__always)
    func acquireHead(
        for source: RecordSource, again: Bool = false
    ) throws(StoreError) -> OwnedHead {
        let units = log.room(for: source)
        return try acquireHead(units: units, entries: 1, for: Use(source.kind), again: again) {
            [units]
        }
    }

    /// The same for all records of a batch.
    ///
    /// - Parameter sizes: of each of them (``Log/room(for:)``), asked for when they do not fit the
    ///   open segment; those that need an extent of their own first.
    @inline(__always)
    func acquireHead(
        units: Units, entries: Int, for use: Use, again: Bool = false, _ sizes: () -> [Units]
    ) throws(StoreError) -> OwnedHead {
        if !again { try payDues(for: units) }
        let head = try ownHead()
        if head.fits(units: units, entries: entries), isOpen(head, for: use) { return head }
        return try roll(head, sizes(), for: use)
    }

    @inline(__always)
    private func ownHead() throws(StoreError) -> OwnedHead {
        let start = Int(truncatingIfNeeded: cpmem_thread_hint()) & 0xFFFF
        // Where drains are shared, heads go from hand to hand quickly, among more writers than
        // processors: those do not wait by spinning.
        var round = log.medium.drainCoversAllThreads ? SpinWait.firstYield : 0
        while true {
            let active = activeHeads
            let first = (start &* active) &>> 16
            for offset in 0..<active {
                let number = first &+ offset
                let head = log.head(number < active ? number : number &- active)
                guard let head = head.tryOwn() else { continue }
                try gate.checkReadable()
                return head
            }
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// When nothing is free all writers share one head, so that the others' open segments do not
    /// keep space from those who need it. Not before: compaction takes one of the last segments
    /// again and again, and gives it back.
    @inline(__always)
    private var activeHeads: Int { segments.freeCount == 0 ? 1 : log.headCount }

    /// Whether a head's room may be used: what is left of a full pool is for removes.
    @inline(__always)
    private func isOpen(_ head: borrowing OwnedHead, for use: Use) -> Bool {
        use == .tombstones || !head.isForTombstones || !isNearlyFull
    }

    /// Takes the segments that records need beside a head's open one, or finds other room; when
    /// there is none, the oldest snapshots and copies of the pool end.
    @inline(never)
    private func roll(
        _ head: consuming OwnedHead, _ sizes: [Units], for use: Use
    ) throws(StoreError) -> OwnedHead {
        let units = sizes.reduce(.zero, +)
        var head = head
        var sweeps = 0
        while true {
            let ended = records.snapshots.endedCount
            do throws(StoreError) {
                return try findRoom(head, sizes, for: use)
            } catch {
                guard error.code == .outOfSpace else { throw error }
                sweeps += 1
                if sweeps > Self.mostSweeps || !awaitSweep(),
                    !endOldestSnapshot(for: units, use, since: ended),
                    try !endOldestCopy(for: use)
                {
                    throw error
                }
            }
            head = try ownHead()
            if head.fits(sizes), isOpen(head, for: use) { return head }
        }
    }

    /// What a write waits for at most, where tables are emptied again and again.
    private static let mostSweeps = 4

    /// Waits until what a table was emptied of is out of the index, and garbage. Whether anything
    /// was on its way. The caller owns nothing.
    private func awaitSweep() -> Bool {
        let tables = records.tables
        let ended = tables.sweepsEnded
        guard tables.isSwept else { return false }
        SpinWait.until {
            !tables.isSwept || tables.sweepsEnded != ended || gate.isClosed || gate.isFailed
        }
        return !gate.isClosed && !gate.isFailed
    }

    private func findRoom(
        _ head: consuming OwnedHead, _ sizes: [Units], for use: Use
    ) throws(StoreError) -> OwnedHead {
        let isOneShort = sizes.count == 1 && !log.isAlone(sizes[0])
        do throws(StoreError) {
            try takeSpares(head, sizes, for: use)
            if isOneShort {
                try log.seal(head)
                head.beginSpare(of: segments)
                head.spanning.isUnderWay = false
            }
            return head
        } catch {
            guard error.code == .outOfSpace else { throw error }
            if use == .tombstones || !isNearlyFull, try takeCompactionHead(into: head, sizes) {
                head.isForTombstones = use == .tombstones && isNearlyFull
                return head
            }
            let own = head.head
            head.release()
            for other in log.writerHeads where other != own {
                let owned = other.own()
                // The store may have been closed while this owned nothing.
                try gate.checkReadable()
                if owned.fits(sizes), isOpen(owned, for: use) { return owned }
            }
            guard isOneShort else { throw error }
            compactionLock.lock()
            defer { compactionLock.unlock() }
            throw outOfSpace(largest: largestRest())
        }
    }

    /// When there is no room, what is dead in the head's own extent is made reclaimable.
    private func takeSpares(
        _ head: borrowing OwnedHead, _ sizes: [Units], for use: Use
    ) throws(StoreError) {
        // Whoever compacts may wait for this, while this waits for whoever compacts.
        if head.firstRelaxed != nil { try log.makeDurable(head) }
        do throws(StoreError) {
            try allocateSpares(head, sizes, for: use)
        } catch {
            // A record longer than a segment may need the place where the head's extent lies.
            guard error.code == .outOfSpace, let extent = head.extent,
                sizes.contains(where: log.isAlone)
                    || hasGarbage(head, extent, worth: sizes.reduce(.zero, +), use)
            else { throw error }
            // What was kept for removes stays theirs, unless all of it is free when it is sealed.
            guard use == .tombstones || !head.isForTombstones || liveness.isSuperfluous(extent)
            else { throw error }
            try log.seal(head)
            try allocateSpares(head, sizes, for: use)
        }
    }

    /// Whether to give up the rest of a head's extent for the garbage in it: a write that is
    /// refused all the same would leave less room than it found.
    private func hasGarbage(
        _ head: borrowing OwnedHead, _ extent: SegmentNumber, worth units: Units, _ use: Use
    ) -> Bool {
        guard liveness.hasGarbage(extent) else { return false }
        return use == .tombstones || liveness.isSuperfluous(extent)
            || head.position - liveness.keptUnits(extent) >= units
    }

    private func allocateSpares(
        _ head: borrowing OwnedHead, _ sizes: [Units], for use: Use
    ) throws(StoreError) {
        // What a write that failed has left: room for other records than these.
        if head.isSpanning { try log.giveBackSpares(head) }
        var spans = try spans(of: sizes, behind: head)
        // There would be room, but for tombstones only: until a segment is to be had.
        if spans.isEmpty { spans.append(1) }
        if sizes.count > 1, spans.count > 1 || head.extent != nil {
            try gate.failing { () throws(StoreError) in
                try log.root.require(.spanningBatches)
            }
        }
        let units = sizes.reduce(.zero, +)
        do throws(StoreError) {
            for span in spans {
                let extent = try allocate(span: span, units: units, for: use)
                if span > 1 {
                    head.spanning.alone.append(extent)
                } else {
                    head.spanning.spares.append(extent)
                }
            }
        } catch {
            if !gate.isFailed { try log.giveBackSpares(head) }
            throw error
        }
        head.spanning.areForTombstones = use == .tombstones && isNearlyFull
        head.spanning.isUnderWay = true
    }

    /// The extents that records need behind what is in a head, by their spans: those that need one
    /// of their own, then segments.
    private func spans(
        of sizes: [Units], behind head: borrowing OwnedHead
    ) throws(StoreError) -> [Int] {
        let geometry = segments.geometry
        var alone: [Int] = []
        var count = 0
        var room = head.room
        for units in sizes {
            if let span = ExtentRoom.ownSpan(units: units, entries: 1, geometry.segmentUnits) {
                alone.append(span)
                continue
            }
            if room.place(units, geometry.segmentUnits) { count += 1 }
        }
        let spans = alone + Array(repeating: 1, count: count)
        guard spans.reduce(0, +) <= segments.count,
            alone.allSatisfy({ $0 <= LifeWord.maximumSpan })
        else {
            compactionLock.lock()
            defer { compactionLock.unlock() }
            throw outOfSpace(largest: largestValue(in: largestSpan()))
        }
        return spans
    }

    /// The last resort: the room that compaction has left over.
    private func takeCompactionHead(
        into head: borrowing OwnedHead, _ sizes: [Units]
    ) throws(StoreError) -> Bool {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        // What is being emptied needs the room.
        _ = try finishVictim()
        let other = log.compactionHead.own()
        guard other.fits(sizes) else { return false }
        try log.seal(head)
        head.takeOver(other)
        return true
    }
}
