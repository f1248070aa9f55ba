import CPmem
import Synchronization

/// Compaction ahead of need: on a thread of its own, and, a little with each write, by the writers.
///
/// Below the high mark of free segments the thread works, step after step. Below the low one
/// writers owe copies for what they write: as many units as have to be copied to gain one, by the
/// extent that is being emptied. What anybody copies pays for that, so where the thread keeps up
/// nobody else pays. A writer takes a short step when enough is owed. When the lock is taken it
/// puts that off, and once very much is owed it waits for the lock some microseconds; so no write
/// waits for somebody who lost the processor.
///
/// Invariants:
/// - Neither is relied on: whoever finds no segment makes room (``allocate(span:units:for:)``).
/// - A writer that pays owns no head and no shard.
extension Space {
    /// Has the thread look whether there is something to do.
    @inline(__always)
    func askCompactor() {
        guard segments.freeCount < highMark, let compactor else { return }
        compactor.ask { self.workInBackground() }
    }

    /// Returns when no step runs on the thread any more, and none will.
    func stopCompactor() { compactor?.stop() }

    /// One step; false when there is nothing to do, or nothing that can be done. What fails is met
    /// again by the write that needs the space.
    private func workInBackground() -> Bool {
        giveWay()
        compactionLock.lock()
        defer { compactionLock.unlock() }
        let budget = segments.freeCount < lowMark ? Self.shortStep : Self.longStep
        return (try? workAhead(budget, until: highMark)) ?? false
    }

    /// One step of the thread, made by the caller whatever is free.
    func makeStepAhead() throws(StoreError) {
        try gate.checkWritable()
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try gate.checkReadable()
        _ = try workAhead(Self.longStep, until: .max)
    }

    /// Lets writers that want the lock have it first: they may sleep while it is taken, and between
    /// two steps of the thread it is free for a moment only.
    private func giveWay() {
        var round = 0
        while waiting.loadRelaxed() != 0, round < Self.courtesyRounds {
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// One step towards `mark` free segments. Returns whether there is more to do. Compaction lock
    /// held.
    func workAhead(_ budget: Units, until mark: Int) throws(StoreError) -> Bool {
        guard !gate.isClosed, !gate.isFailed else { return false }
        try reclaimLimbo()
        if underWay == nil { return try beginAhead(until: mark) }
        let budget = StepBudget(self.budget(budget))
        return try step(into: log.compactionHead.own(), budget) != .stuck
    }

    /// Extents in limbo from which on no other is emptied ahead of need.
    private static let mostInLimbo = 4

    /// Finding a victim is a step of its own; what is in it is read in further ones.
    private func beginAhead(until mark: Int) throws(StoreError) -> Bool {
        guard segments.freeCount < mark else {
            payOff(Units(Int(truncatingIfNeeded: debt.loadRelaxed())))
            return false
        }
        let head = log.compactionHead.own()
        guard limbo.count < Self.mostInLimbo, let extent = worthyVictim(head) else { return false }
        let kept = liveness.keptUnits(extent).count
        let gain = max(1, segments.sealedEnd(extent).count - kept)
        rate.storeRelaxed(UInt64(min(Self.highestRate, Self.rateScale * kept / gain)))
        begin(extent)
        return true
    }

    // MARK: Dues

    /// Units that a writer copies at a time, and at most when it owes much.
    private static let dueStep = Units(64)
    private static let longestDueStep = Units(256)
    /// Units that the thread copies at a time, and that it does while writers pay.
    static let longStep = Units(1024)
    private static let shortStep = Units(128)
    /// When so much is owed writers wait for the lock.
    private static let deepDebt = Units(2048)
    /// What is owed more before the next one waits when one could not pay.
    private static let putOff = Units(512)
    /// The rate counts in these parts of a unit.
    private static let rateScale = 16
    private static let highestRate = 32 * 16
    private static let courtesyRounds = 210
    /// Pauses: some ten microseconds, more than the thread's steps take while writers pay.
    private static let patience = 500

    /// What a step may copy where it is to be of such a length. Where a drain takes system calls,
    /// of which a step costs one, it is made longer.
    func budget(_ units: Units) -> Units {
        let scale = log.medium.drainCoversAllThreads ? 16 : 1
        let units = scale * units
        return options.compactionStep.map { min(units, Units($0)) } ?? units
    }

    /// Compacts in proportion to what is about to be written, when little is free.
    @inline(__always)
    func payDues(for units: Units) throws(StoreError) {
        if segments.freeCount < lowMark { try owe(units) }
    }

    @inline(never)
    private func owe(_ units: Units) throws(StoreError) {
        // A quarter more for each segment that is missing, so that they come back.
        let urgency = 4 + max(0, lowMark - segments.freeCount)
        let rate = Int(truncatingIfNeeded: rate.loadRelaxed())
        let owed = UInt64(1 + units.count * rate * urgency / (4 * Self.rateScale))
        let total = debt.fetchAdd(owed) + owed
        if total >= dueAt.loadRelaxed() { try pay(total) }
    }

    private func pay(_ total: UInt64) throws(StoreError) {
        let start = MonotonicClock.nanoseconds
        let isDeep = total >= UInt64(Self.deepDebt.count)
        guard compactionLock.tryLock() || isDeep && waitForLock() else {
            dueAt.storeRelaxed(total + UInt64((isDeep ? Self.putOff : Self.dueStep).count))
            if isDeep { stalls.note(since: start) }
            return
        }
        defer {
            compactionLock.unlock()
            stalls.note(since: start)
        }
        try gate.checkReadable()
        dueAt.storeRelaxed(UInt64(budget(Self.dueStep).count))
        let due = Units(Int(truncatingIfNeeded: total) / 8)
        if try !workAhead(max(Self.dueStep, min(due, Self.longestDueStep)), until: lowMark) {
            dueAt.storeRelaxed(total + UInt64(Self.putOff.count))
        }
    }

    private func waitForLock() -> Bool {
        waiting.fetchAdd(1)
        defer { waiting.fetchSubtract(1) }
        return compactionLock.tryLock(rounds: Self.patience)
    }

    /// Counts what was copied against what writers owe. Compaction lock held: nobody else takes
    /// anything off.
    func payOff(_ units: Units) {
        let owed = debt.loadRelaxed()
        debt.fetchSubtract(min(owed, UInt64(units.count)))
    }
}
