import CPmem
import SystemPackage

/// Finding free segments, and making them when there are none.
extension Engine {
    /// Takes an extent of `span` segments, leaving `reserve` others free. Compacts, waits for
    /// readers and gives up the checkpoint as far as that helps.
    ///
    /// The caller owns a log head at most, no shard. Throws `outOfSpace` when nothing helps.
    func allocate(span: Int, reserve: Int, neededUnits: Int) throws(StoreError) -> Int {
        // Emptying windows has no measure of progress as compaction has; a bound keeps it finite.
        var windows = 8
        while true {
            if let segment = try guarded({ () throws(StoreError) in
                try segments.take(span: span, reserve: reserve, state: .log)
            }) {
                return segment
            }
            let taken = segments.freeCount
            compactionLock.lock()
            do throws(StoreError) {
                // Another thread may have made room while this one waited.
                var progressed = segments.freeCount > taken
                if !progressed {
                    progressed = try makeRoom(
                        span: span, reserve: reserve, neededUnits: neededUnits, windows: &windows)
                }
                compactionLock.unlock()
                guard progressed else { throw outOfSpace(neededUnits) }
            } catch {
                compactionLock.unlock()
                throw error
            }
        }
    }

    private func outOfSpace(_ units: Int) -> StoreError {
        StoreError(
            .outOfSpace,
            """
            no room for a record of \(units * 64) bytes: the pool is full; delete keys, or \
            load a dump into a larger pool
            """, cause: .noSpace)
    }

    /// One step towards more free segments. Returns whether there is reason to try again.
    /// Compaction lock held.
    private func makeRoom(
        span: Int, reserve: Int, neededUnits: Int, windows: inout Int
    ) throws(StoreError) -> Bool {
        if try reclaimLimbo() { return true }
        if segments.freeCount >= span + reserve {
            // Enough, but not side by side: empty a window of segments.
            windows -= 1
            guard windows >= 0 else { return false }
            return try emptyWindow(span: span)
        }
        let gain = max(1, min(neededUnits, geometry.segmentUnits / 32))
        if try compactOne(minimumGain: gain) { return true }
        if try sealIdleHead() { return true }
        if try waitForReaders() { return true }
        return try dropCheckpoint()
    }

    /// Frees what no reader can see any more. Returns whether anything became free.
    func reclaimLimbo() throws(StoreError) -> Bool {
        var pending = limboSegments()
        guard !pending.isEmpty else { return false }
        for _ in 0..<2 { _ = epochs.tryAdvance() }
        let now = epochs.now
        pending.removeAll { segments.states[$0].retiredEpoch + 2 > now }
        guard !pending.isEmpty else { return false }
        try settleRelaxed()
        for segment in pending {
            try guarded { () throws(StoreError) in try segments.release(segment) }
        }
        return !pending.isEmpty
    }

    private func limboSegments() -> [Int] {
        (0..<geometry.segmentCount).filter { segments.states[$0].phase == .limbo }
    }

    /// Waits a bounded time for readers that keep retired segments from being reused.
    private func waitForReaders() throws(StoreError) -> Bool {
        guard !limboSegments().isEmpty else { return false }
        for round in 0..<options.readerPatience {
            if try reclaimLimbo() { return true }
            SpinWait.wait(round: round)
        }
        return false
    }

    /// Seals a head that nobody is using, so that what is dead in it can be reclaimed. The head
    /// of compaction belongs to whoever holds the compaction lock.
    private func sealIdleHead() throws(StoreError) -> Bool {
        if hasGarbage(compactionHead) {
            try guarded { () throws(StoreError) in try sealIfOpen(compactionHead) }
            return true
        }
        for number in 0..<headCount {
            let head = heads + number
            guard hasGarbage(head), head.spin.tryLock() else { continue }
            defer { head.spin.unlock() }
            guard hasGarbage(head) else { continue }
            try guarded { () throws(StoreError) in try sealIfOpen(head) }
            return true
        }
        return false
    }

    /// Gives the checkpoint's space back; the next open replays the log instead.
    private func dropCheckpoint() throws(StoreError) -> Bool {
        superblockLock.lock()
        let segment = checkpointSegment
        guard segment >= 0 else {
            superblockLock.unlock()
            return false
        }
        do throws(StoreError) {
            try superblock.update(medium) { $0.checkpoint_segment = CPMEM_NO_CHECKPOINT }
            checkpointSegment = -1
            superblockLock.unlock()
        } catch {
            superblockLock.unlock()
            fail(error)
            throw error
        }
        try guarded { () throws(StoreError) in try segments.release(segment) }
        return true
    }
}
