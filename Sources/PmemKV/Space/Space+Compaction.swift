/// Emptying extents one after the other for somebody who waits for it.
///
/// Invariant: the compaction lock is held; the compaction head belongs to its holder.
extension Space {
    /// Compacts until nothing more can be gained.
    func compactAll() throws(StoreError) {
        try gate.checkWritable()
        for head in log.writerHeads {
            let owned = head.own()
            try gate.checkReadable()
            guard let extent = owned.extent, owned.position > liveness.liveUnits(extent)
            else { continue }
            try log.seal(owned)
        }
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try gate.checkReadable()
        // Every round removes garbage, or leaves fewer extents, so this ends.
        while try compactOne(minimumGain: Units(1), minimumSlack: .zero) { try reclaimLimbo() }
        try reclaimLimbo()
    }

    /// Compacts the extent that gives most for least; when none gives at least minimumGain, merges
    /// extents that have at least minimumSlack of unused room. Returns whether that changed
    /// anything. Compaction lock held.
    func compactOne(
        minimumGain: Units, minimumSlack: Units
    ) throws(StoreError) -> Bool {
        if try finishVictim() { return true }
        let head = log.compactionHead.own()
        var tried: Set<SegmentNumber> = []
        if minimumGain <= worthyGain, let victim = worthyVictim(head) {
            if try compact(victim, into: head) { return true }
            tried.insert(victim)
        }
        while let victim = chooseVictim(head, minimumGain: minimumGain, except: tried) {
            if try compact(victim, into: head) { return true }
            // A record longer than a segment stays where it is; another extent may do better.
            tried.insert(victim)
        }
        return try merge(into: head, minimumSlack: minimumSlack)
    }

    /// Moves the records of extents that are not full together, if that leaves a segment free:
    /// every crash seals extents that are not full, and without this each restart would cost space.
    private func merge(
        into head: borrowing OwnedHead, minimumSlack: Units
    ) throws(StoreError) -> Bool {
        try compact(chooseMergers(into: head.room, minimumSlack: minimumSlack), into: head)
    }

    /// Moves records together so that so many segments become free. Returns whether there was a way
    /// to; if not, nothing has changed. Compaction lock held.
    func pack(freeing count: Int) throws(StoreError) -> Bool {
        let head = log.compactionHead.own()
        let (extents, sealsHead) = extentsToPack(head, freeing: count)
        guard !extents.isEmpty else { return false }
        if sealsHead { try log.seal(head) }
        return try compact(extents, into: head)
    }

    private func compact(
        _ extents: [SegmentNumber], into head: borrowing OwnedHead
    ) throws(StoreError) -> Bool {
        for extent in extents {
            guard try compact(extent, into: head) else { return false }
            // The next one may need the segment.
            try reclaimLimbo()
        }
        return !extents.isEmpty
    }

    /// Moves the live records of an extent away and retires it, in steps of which nobody else sees
    /// one. False when that is impossible now: no room for the copies.
    ///
    /// - Parameter window: segments that are being emptied, where no copy may go.
    func compact(
        _ extent: SegmentNumber, into head: borrowing OwnedHead,
        outside window: Range<SegmentNumber>? = nil
    ) throws(StoreError) -> Bool {
        begin(extent)
        return try goOn(into: head, outside: window)
    }

    /// Empties what is being emptied. Returns whether there was such an extent.
    func finishVictim() throws(StoreError) -> Bool {
        guard underWay != nil else { return false }
        _ = try goOn(into: log.compactionHead.own())
        try reclaimLimbo()
        return true
    }

    /// Goes on with the victim until it is done. False when it is given up.
    func goOn(
        into head: borrowing OwnedHead, outside window: Range<SegmentNumber>? = nil
    ) throws(StoreError) -> Bool {
        while true {
            let budget = StepBudget(self.budget(Self.longStep))
            switch try step(into: head, budget, outside: window) {
            case .more: continue
            case .done: return true
            case .stuck: return false
            }
        }
    }
}
