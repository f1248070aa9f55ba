/// Lets many waiting writers share one slow synchronisation.
///
/// A request joins the round that begins next, and sleeps until that has ended. Whoever finds no
/// round running runs one, for all who have joined; one of those who wait is woken for the next as
/// soon as a round ends. Before it begins, it gives those who have just been served a moment to
/// come back: else they would miss the round, find it running, and each put of many writers would
/// wait for two rounds that serve one half of them each.
///
/// Invariants:
/// - A synchronisation covers every request that was made before it began.
/// - One runs at a time; the thread that finds none running runs it for all who wait.
/// - After a failure every request fails: the kernel marks pages clean after a failed write-back,
///   so a later success proves nothing about them.
final class GroupCommit: @unchecked Sendable {
    /// A line for the lock, one for what is looked at without it.
    private let words = SharedLines(2)
    private var lock: SpinLock { SpinLock(words[0, 0]) }
    /// The last round that has ended well. Rounds have numbers from one on.
    private var ended: AtomicWord { words[1, 0] }
    /// Not zero when there is a failure.
    private var hasFailed: AtomicWord { words[1, 1] }
    /// Rings when those who have joined a round have to look again. Two rounds at most have
    /// sleepers, the running one and the next.
    private func bell(of round: UInt64) -> AtomicWord { words[1, 2 + Int(round & 1)] }

    // What the lock protects.
    private var failure: StoreError?
    /// The round that somebody runs, or is about to.
    private var running: UInt64?
    /// Whether anybody sleeps until it has ended who has not joined it.
    private var isWatched = false
    /// The round that requests join.
    private var next: UInt64 = 1
    /// Who has joined it.
    private var joined = 0
    /// Who will probably join it: those whom the last round has served, and those who had come too
    /// late for that.
    private var expected = 0
    /// How long the last synchronisation took.
    private var lastDuration = 0.0

    /// The part of a synchronisation's time that a round waits for those who are expected, and the
    /// most, in seconds. A writer that does not come back costs the others as much, once.
    private static let patience = 0.5
    private static let longestPatience = 0.0005

    /// Keeps a failure that happened outside a synchronisation.
    func fail(_ error: StoreError) { lock.withLock { keep(error) } }

    /// The failure that every request will meet, if there is one.
    var currentFailure: StoreError? {
        hasFailed.loadAcquire() == 0 ? nil : lock.withLock { failure }
    }

    /// Requests that have joined the round that begins next.
    var waiting: Int { lock.withLock { joined } }

    /// With the lock.
    private func keep(_ error: StoreError) {
        if failure == nil { failure = error }
        hasFailed.storeRelease(1)
    }

    /// Returns when a synchronisation that began after this call has completed.
    func commit(_ synchronise: () throws(StoreError) -> Void) throws(StoreError) {
        lock.lock()
        let mine = next
        joined += 1
        while ended.loadAcquire() < mine, failure == nil {
            guard running != nil else {
                lead(synchronise)
                continue
            }
            let bell = bell(of: mine)
            let rings = bell.loadRelaxed()
            lock.unlock()
            bell.sleep(while: rings)
            if ended.loadAcquire() >= mine, hasFailed.loadAcquire() == 0 { return }
            lock.lock()
        }
        let failure = failure
        lock.unlock()
        if let failure { throw failure }
    }

    /// Runs a round with a synchronisation of its own, which covers what those of the others do.
    func runOwnRound(_ synchronise: () throws(StoreError) -> Void) throws(StoreError) {
        lock.lock()
        while running != nil, failure == nil {
            lock.unlock()
            awaitRound()
            lock.lock()
        }
        if failure == nil {
            // Whoever leads a round is one of those who have joined it.
            joined += 1
            lead(synchronise)
        }
        let failure = failure
        lock.unlock()
        if let failure { throw failure }
    }

    /// Sleeps until the round that runs has ended; does hardly anything when none does.
    func awaitRound() {
        lock.lock()
        guard let running else {
            lock.unlock()
            return SpinWait.giveWay()
        }
        isWatched = true
        let bell = bell(of: running)
        let rings = bell.loadRelaxed()
        lock.unlock()
        bell.sleep(while: rings)
    }

    /// Runs the next round. Called and left with the lock; not held in between.
    private func lead(_ synchronise: () throws(StoreError) -> Void) {
        let round = next
        running = round
        gather()
        let served = joined
        next += 1
        joined = 0
        lock.unlock()
        var outcome: StoreError?
        let start = MonotonicClock.seconds
        do throws(StoreError) { try synchronise() } catch { outcome = error }
        let duration = MonotonicClock.seconds - start
        lock.lock()
        running = nil
        lastDuration = duration
        expected = served + joined
        if let outcome { keep(outcome) } else { ended.storeRelease(round) }
        wake(round, served)
    }

    /// Waits a moment for those who are expected. The lock is free meanwhile, and nobody else can
    /// begin a round.
    private func gather() {
        guard joined < expected else { return }
        let patience = min(lastDuration * Self.patience, Self.longestPatience)
        let end = MonotonicClock.seconds + patience
        while joined < expected, MonotonicClock.seconds < end {
            lock.unlock()
            SpinWait.giveWay()
            lock.lock()
        }
    }

    /// One of those who wait for the next round first, to run it; then all who were served.
    /// With the lock, which is free meanwhile.
    private func wake(_ round: UInt64, _ served: Int) {
        let (own, other) = (bell(of: round), bell(of: round &+ 1))
        let othersWait = joined > 0
        let sleepers = served > 1 || isWatched
        isWatched = false
        let isOver = failure != nil
        own.fetchAdd(1)
        if othersWait { other.fetchAdd(1) }
        lock.unlock()
        if othersWait { other.wake(isOver ? .all : .one) }
        if sleepers { own.wake(.all) }
        lock.lock()
    }
}
