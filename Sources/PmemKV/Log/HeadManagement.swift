import CPmem

/// Getting a place to append to: a shared head, or an extent of one's own for what is longer than
/// a segment.
extension Engine {
    /// Whether a head is one of the shared ones, not the private head of a long record.
    @inline(__always)
    func isShared(_ head: LogHeadPointer) -> Bool { head >= heads && head <= heads + headCount }

    /// Returns a head, owned, with room for records of this many units and their summary.
    @inline(__always)
    func acquireHead(
        units: Int, entries: Int, tombstones: Bool
    ) throws(StoreError) -> LogHeadPointer {
        if units + LogHead.summaryUnits(entries) > geometry.segmentUnits {
            return try acquirePrivateHead(units: units, entries: entries)
        }
        let start = Int(truncatingIfNeeded: cpmem_thread_hint()) & 0xFFFF
        var round = 0
        while true {
            let active = activeHeads
            for offset in 0..<active {
                let head = heads + (start &+ offset) % active
                guard head.spin.tryLock() else { continue }
                do throws(StoreError) {
                    try checkReadable()
                } catch {
                    head.spin.unlock()
                    throw error
                }
                if head.pointee.fits(units: units, entries: entries),
                    tombstones || !isKeptForTombstones(head)
                {
                    return head
                }
                return try roll(head, units: units, entries: entries, tombstones: tombstones)
            }
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// With few free segments all writers share one head, so that the others' open segments do
    /// not keep space from those who need it.
    @inline(__always)
    private var activeHeads: Int { segments.freeCount > headCount * 4 ? headCount : 1 }

    /// Whether puts have to leave a head alone: what is left of the pool is for removes.
    @inline(__always)
    private func isKeptForTombstones(_ head: LogHeadPointer) -> Bool {
        head.pointee.isForTombstones
            && segments.freeCount < options.compactionReserve + options.deleteReserve
    }

    /// Gives an owned head its next segment. When there is none, what is dead in the head's own
    /// extent is made reclaimable, and at last the rest of another head is tried.
    @inline(never)
    private func roll(
        _ head: LogHeadPointer, units: Int, entries: Int, tombstones: Bool
    ) throws(StoreError) -> LogHeadPointer {
        do throws(StoreError) {
            if head.pointee.relaxedFrom != .max {
                // Whoever compacts may wait for this, while this waits for whoever compacts.
                try guarded { () throws(StoreError) in try makeDurable(head) }
            }
            let reserve = options.compactionReserve + (tombstones ? 0 : options.deleteReserve)
            let segment: Int
            do throws(StoreError) {
                segment = try allocate(span: 1, reserve: reserve, neededUnits: units)
            } catch {
                guard error.code == .outOfSpace, hasGarbage(head),
                    tombstones || !head.pointee.isForTombstones
                else { throw error }
                try guarded { () throws(StoreError) in try sealIfOpen(head) }
                segment = try allocate(span: 1, reserve: reserve, neededUnits: units)
            }
            try guarded { () throws(StoreError) in try sealIfOpen(head) }
            head.pointee.begin(
                segment: segment, span: 1, geometry: geometry,
                salt: segments.states[segment].salt)
            head.pointee.isForTombstones =
                tombstones
                && segments.freeCount < options.compactionReserve + options.deleteReserve
            return head
        } catch {
            if error.code == .outOfSpace, tombstones,
                try takeCompactionHead(into: head, units: units, entries: entries)
            {
                return head
            }
            head.spin.unlock()
            guard error.code == .outOfSpace else { throw error }
            for number in 0..<headCount where heads + number != head {
                let other = heads + number
                other.spin.lock()
                if other.pointee.fits(units: units, entries: entries),
                    tombstones || !isKeptForTombstones(other)
                {
                    return other
                }
                other.spin.unlock()
            }
            throw error
        }
    }

    /// The last resort of a remove: the room that compaction has left over.
    private func takeCompactionHead(
        into head: LogHeadPointer, units: Int, entries: Int
    ) throws(StoreError) -> Bool {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        guard compactionHead.pointee.fits(units: units, entries: entries) else { return false }
        do throws(StoreError) {
            try guarded { () throws(StoreError) in try sealIfOpen(head) }
        } catch {
            head.spin.unlock()
            throw error
        }
        head.pointee.takeOver(&compactionHead.pointee)
        head.pointee.isForTombstones = true
        return true
    }

    /// Whether compaction of a head's extent would gain anything, once it is sealed.
    func hasGarbage(_ head: LogHeadPointer) -> Bool {
        let segment = head.pointee.segment
        return segment >= 0
            && (segments.value(segment, .oldestDead) != .max
                || segments.value(segment, .tombstoneUnits) > 0
                    && segments.oldestDead().except(segment) == .max)
    }

    @inline(__always)
    func releaseHead(_ head: LogHeadPointer) {
        if isShared(head) {
            head.spin.unlock()
        } else {
            finishPrivateHead(head)
        }
    }

    /// An extent for one long record or batch alone; it is sealed as soon as that is durable.
    @inline(never)
    private func acquirePrivateHead(units: Int, entries: Int) throws(StoreError) -> LogHeadPointer {
        add(1, to: .privateWriters)
        do throws(StoreError) {
            try checkReadable()
            return try makePrivateHead(units: units, entries: entries)
        } catch {
            _ = cpmem_fetch_sub(control + ControlWord.privateWriters.rawValue, 1)
            throw error
        }
    }

    private func makePrivateHead(units: Int, entries: Int) throws(StoreError) -> LogHeadPointer {
        let total = units + LogHead.summaryUnits(entries)
        let span = (total + geometry.segmentUnits - 1) / geometry.segmentUnits
        guard span <= min(geometry.segmentCount, 0xFFFF) else {
            throw StoreError(
                .outOfSpace, "\(units * 64) bytes are more than this pool holds")
        }
        let segment = try allocate(
            span: span, reserve: options.compactionReserve + options.deleteReserve,
            neededUnits: units)
        let head = LogHeadPointer.allocate(capacity: 1)
        head.initialize(to: LogHead())
        head.pointee.begin(
            segment: segment, span: span, geometry: geometry, salt: segments.states[segment].salt)
        return head
    }

    /// Seals (or frees, when nothing was written) the extent of a private head.
    @inline(never)
    private func finishPrivateHead(_ head: LogHeadPointer) {
        do throws(StoreError) {
            if self[.failed] == 0 { try sealIfOpen(head) }
        } catch {
            fail(error)
        }
        head.pointee.deallocate()
        head.deallocate()
        _ = cpmem_fetch_sub(control + ControlWord.privateWriters.rawValue, 1)
    }

    /// Closes a head's extent for good: its summary, then, durably after it, the seal.
    ///
    /// I9: a valid seal word stands before no invalid summary, since the summary is durable first.
    /// The seal itself becomes durable with this thread's next drain: until then a crash finds an
    /// open extent, whose walk ends in the same place.
    func sealIfOpen(_ head: LogHeadPointer) throws(StoreError) {
        let segment = head.pointee.segment
        guard segment >= 0 else { return }
        if head.pointee.entryCount == 0 {
            head.pointee.segment = -1
            // Open until it is free: a sealed extent is one that compaction may choose.
            return try segments.release(segment)
        }
        flushRelaxed(head)
        let end = head.pointee.position
        SummaryWriter.write(
            UnsafeBufferPointer(start: head.pointee.entries, count: head.pointee.entryCount),
            salt: head.pointee.salt, medium: medium,
            offset: geometry.offset(ofSegment: segment) + end * 64)
        try medium.drain(site: .summaryDrain)
        head.pointee.relaxedFrom = .max
        medium.store(
            SealWord(salt: head.pointee.salt, endUnits: end).rawValue,
            to: geometry.line(ofSegment: segment) + 8, site: .seal)
        segments.markSealed(segment, endUnits: end)
        head.pointee.segment = -1
    }
}
