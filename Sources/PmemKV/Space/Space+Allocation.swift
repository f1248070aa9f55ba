import SystemPackage

/// Finding free segments, and making them when there are none.
extension Space {
    /// Takes an extent of `span` segments, leaving the reserve. Compacts, waits for readers and
    /// gives up the checkpoint as far as that helps.
    ///
    /// The caller owns a log head at most, no shard. Throws `outOfSpace` when nothing helps.
    func allocate(span: Int, units: Units, for use: Use) throws(StoreError) -> SegmentNumber {
        let reserve = reserve(for: use)
        // Emptying windows has no measure of progress as compaction has; a bound keeps it finite.
        var windows = 8
        while true {
            if let segment = try take(span: span, reserve: reserve, state: .log) { return segment }
            let taken = segments.freeCount
            compactionLock.lock()
            defer { compactionLock.unlock() }
            // Another thread may have made room while this one waited.
            if segments.freeCount > taken { continue }
            guard try makeRoom(span: span, reserve: reserve, units: units, windows: &windows)
            else { throw outOfSpace(units) }
        }
    }

    func take(
        span: Int, reserve: Int, state: LifeWord.State
    ) throws(StoreError) -> SegmentNumber? {
        try gate.guarded { () throws(StoreError) in
            try segments.take(span: span, reserve: reserve, state: state)
        }
    }

    private func outOfSpace(_ units: Units) -> StoreError {
        let reason =
            isHeldByCallbacks
            ? "what could be reclaimed is in use by bodies of scans or reads; let them return"
            : "the pool is full; delete keys, or load a dump into a larger pool"
        return StoreError(
            .outOfSpace, "no room for a record of \(units.bytes) bytes: \(reason)",
            cause: .noSpace)
    }

    /// One step towards more free segments. Returns whether there is reason to try again.
    /// Compaction lock held.
    private func makeRoom(
        span: Int, reserve: Int, units: Units, windows: inout Int
    ) throws(StoreError) -> Bool {
        if try reclaimLimbo() { return true }
        if segments.freeCount >= span + reserve {
            // Enough, but not side by side: empty a window of segments.
            windows -= 1
            guard windows >= 0 else { return false }
            return try emptyWindow(span: span)
        }
        let gain = max(1, min(units.count, segments.geometry.segmentUnits.count / 32))
        if try compactOne(minimumGain: Units(gain)) { return true }
        if try sealIdleHead() { return true }
        if try waitForReaders() { return true }
        return try dropCheckpoint()
    }

    private var limbo: [SegmentNumber] {
        segments.geometry.segments.filter { segments.phase($0) == .limbo }
    }

    /// Frees what no reader can see any more. Returns whether anything became free.
    /// Compaction lock held.
    @discardableResult
    func reclaimLimbo() throws(StoreError) -> Bool {
        var pending = limbo
        guard !pending.isEmpty else { return false }
        for _ in 0..<2 { _ = records.epochs.tryAdvance() }
        pending.removeAll { !mayBeReused($0, unreachableSince: segments.retiredEpoch($0)) }
        guard !pending.isEmpty else { return false }
        try log.settleRelaxed()
        for extent in pending { try free(extent) }
        return true
    }

    /// Waits a bounded time for readers, and bodies of callers, that keep space from being reused.
    private func waitForReaders() throws(StoreError) -> Bool {
        let isHeld = isHeldByCallbacks
        guard isHeld || !limbo.isEmpty else { return false }
        for round in 0..<options.readerPatience {
            if try reclaimLimbo() { return true }
            // What the bodies went on from can be emptied now.
            if isHeld && !isHeldByCallbacks { return true }
            SpinWait.wait(round: round)
        }
        return false
    }

    /// Seals a head that nobody is using, so that what is dead in it can be reclaimed. Compaction
    /// lock held.
    private func sealIdleHead() throws(StoreError) -> Bool {
        for head in [log.compactionHead] + log.writerHeads {
            guard let seen = head.lastSeenExtent, liveness.hasGarbage(seen),
                let owned = head.tryOwn(), let extent = owned.extent, liveness.hasGarbage(extent)
            else { continue }
            try log.seal(owned)
            return true
        }
        return false
    }
}
