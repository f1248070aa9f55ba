import Synchronization
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
        var isPossible = use == .tombstones
        var start: UInt64?
        defer { if let start { stalls.note(since: start) } }
        while true {
            if let segment = try take(span: span, reserve: reserve, state: .log) { return segment }
            if start == nil { start = MonotonicClock.nanoseconds }
            let taken = segments.freeCount
            waiting.fetchAdd(1)
            compactionLock.lock()
            waiting.fetchSubtract(1)
            defer { compactionLock.unlock() }
            // Another thread may have made room while this one waited.
            if segments.freeCount > taken { continue }
            // What somebody has begun comes first.
            if try finishVictim() { continue }
            if !isPossible, try !checkRoom(span: span) {
                // Not in any order, but there may be one in which the records fit.
                if try reclaimLimbo() { continue }
                if try pack(freeing: 1 + reserve - segments.freeCount) { continue }
                if try waitForReaders() { continue }
                fullSince = changes
                throw outOfSpace(largest: largestRest())
            }
            isPossible = true
            if try makeRoom(span: span, reserve: reserve, units: units, windows: &windows) {
                continue
            }
            // There may be no extent from which much is to be gained, and enough in all of them.
            if span == 1 {
                if try compactOne(minimumGain: Units(1), minimumSlack: Units(1)) { continue }
                if try pack(freeing: 1 + reserve - segments.freeCount) { continue }
            }
            throw outOfSpace(largest: largestValue(in: 0))
        }
    }

    /// Whether compaction makes room, in whatever order it moves records. Refuses several segments
    /// where it does not, so that nothing is moved for them, and anything in a full pool that has
    /// not changed since that was found out. Compaction lock held.
    private func checkRoom(span: Int) throws(StoreError) -> Bool {
        if span == 1, isRoomy {
            known.forgetAll()
            return true
        }
        guard fullSince != changes else { throw outOfSpace(largest: largestRest()) }
        let sure = sureSpan()
        if span > 1, span > sure {
            throw outOfSpace(largest: largestValue(in: largestSpan(sure: sure)))
        }
        return span <= sure
    }

    /// Grows with whatever may make room.
    private var changes: Int {
        Int(index.changes) + compactions.load(ordering: .relaxed)
            + records.snapshots.endedCount + copiesEnded + records.tables.goneCount + segments.count
            + (isHeldByCallbacks ? 1 : 0) << 32
    }

    func take(
        span: Int, reserve: Int, state: LifeWord.State, outside window: Range<SegmentNumber>? = nil
    ) throws(StoreError) -> SegmentNumber? {
        let segment = try gate.guarded { () throws(StoreError) in
            try segments.take(span: span, reserve: reserve, state: state, outside: window)
        }
        askCompactor()
        return segment
    }

    func outOfSpace(largest: Int) -> StoreError {
        let reason =
            isHeldByCallbacks
            ? "what could be reclaimed is in use by bodies of scans or reads; let them return"
            : "delete keys, "
                + (segments.count < segments.geometry.segmentLimit
                    && log.medium.growthObstacle == nil
                    ? "or make it larger with 'pmemkv grow'"
                    : "or make a larger copy with 'pmemkv backup --size'")
        return StoreError(
            .outOfSpace,
            telling: "the pool is full: the largest value that can be stored now has "
                + "\(largest) bytes; " + reason, cause: .noSpace)
    }

    /// One step towards more free segments. Returns whether there is reason to try again.
    /// Compaction lock held.
    private func makeRoom(
        span: Int, reserve: Int, units: Units, windows: inout Int
    ) throws(StoreError) -> Bool {
        if try reclaimLimbo() { return true }
        if segments.freeCount >= span + reserve {
            // Enough, but not side by side: empty a window of segments.
            if windows > 0, try emptyWindow(span: span) {
                windows -= 1
                return true
            }
            if try sealIdleHead(where: { _ in true }) { return true }
            // What lies between may only wait for readers to go.
            if try waitForReaders() { return true }
            return try dropCheckpoint()
        }
        // For what is longer than a segment everything is set in motion.
        let segment = segments.geometry.segmentUnits.count
        let gain = span > 1 ? 1 : max(1, min(units.count, segment / 32))
        let slack = span > 1 ? 0 : segment / 16
        if try compactOne(minimumGain: Units(gain), minimumSlack: Units(slack)) { return true }
        if try sealIdleHead(where: { span > 1 || liveness.hasGarbage($0) }) { return true }
        if try waitForReaders() { return true }
        return try dropCheckpoint()
    }

    /// Frees what no reader can see any more. Returns whether anything became free.
    /// Compaction lock held.
    @discardableResult
    func reclaimLimbo() throws(StoreError) -> Bool {
        guard !limbo.isEmpty else { return false }
        for _ in 0..<2 { _ = records.epochs.tryAdvance() }
        let reusable = limbo.filter { mayBeReused($0, unreachableSince: segments.retiredEpoch($0)) }
        guard !reusable.isEmpty else { return false }
        try log.settleRelaxed()
        for extent in reusable { try free(extent) }
        limbo.removeAll { reusable.contains($0) }
        return true
    }

    /// Waits a bounded time for readers, and bodies of callers, that keep space from being reused.
    private func waitForReaders() throws(StoreError) -> Bool {
        // What a body on this thread looks at stays for as long as this waits.
        let own = gate.callbacks.pinnedOnThisThread
        var isHeldByOthers: Bool {
            isHeld(by: gate.callbacks.pinnedExtents.filter { !own.contains($0) })
        }
        let wasHeld = isHeldByOthers
        let unread = unreadExtents
        guard wasHeld || unread > 0 || limbo.contains(where: { !own.contains($0.rawValue) })
        else { return false }
        for round in 0..<options.readerPatience {
            if try reclaimLimbo() { return true }
            // What the bodies went on from can be emptied now, and what a copy has read.
            if wasHeld && !isHeldByOthers || unreadExtents < unread { return true }
            SpinWait.wait(round: round)
        }
        return false
    }

    /// Seals a head that nobody is using, so that what is dead in it can be reclaimed, or what
    /// lives in it moved. Compaction lock held.
    private func sealIdleHead(
        where isWanted: (SegmentNumber) -> Bool
    ) throws(StoreError) -> Bool {
        for head in [log.compactionHead] + log.writerHeads {
            guard let seen = head.lastSeenExtent, isWanted(seen),
                let owned = head.tryOwn(), let extent = owned.extent, isWanted(extent)
            else { continue }
            try log.seal(owned)
            return true
        }
        return false
    }
}
