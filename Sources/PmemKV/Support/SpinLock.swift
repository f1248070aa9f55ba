import CPmem
import Glibc

/// Waiting without a kernel object: a few pauses, then the processor is given away, then sleep.
/// A lock may be held for as long as a medium takes to become durable.
package enum SpinWait {
    /// Called instead of giving the processor away, when set: a deterministic scheduler of the
    /// tests switches threads here. Set before any store is open, so that reading it is no race.
    @safe nonisolated(unsafe) package static var hook: (@Sendable () -> Void)?

    /// Rounds before this one spin.
    static let firstYield = 16

    static func until(_ isDone: () -> Bool) {
        var round = 0
        while !isDone() {
            wait(round: round)
            round += 1
        }
    }

    /// Lets other threads go on.
    static func giveWay() {
        if let hook { hook() } else { sched_yield() }
    }

    /// Waits before something that others were in the way of is tried once more: each time up to
    /// twice as long, at most a millisecond, and not as long as others do.
    static func backOff(round: Int) {
        if let hook { return hook() }
        let longest = UInt64(1) << UInt64(min(round, 10))
        let jitter = (MonotonicClock.nanoseconds &* 0x9E37_79B9_7F4A_7C15) >> 32
        usleep(UInt32(truncatingIfNeeded: jitter % longest))
    }

    @inline(never)
    static func wait(round: Int) {
        if let hook {
            hook()
        } else if round < firstYield {
            for _ in 0..<(1 << min(round, 6)) { cpmem_pause() }
        } else if round < 200 {
            giveWay()
        } else {
            usleep(50)
        }
    }
}

/// A one-word lock in memory that somebody else owns. Zero means free.
struct SpinLock {
    private let word: AtomicWord

    @inline(__always)
    init(_ word: AtomicWord) { self.word = word }

    @inline(__always)
    func tryLock() -> Bool { word.loadRelaxed() == 0 && word.compareExchange(0, 1) }

    @inline(__always)
    func lock() {
        SchedulingPoint.pass()
        if tryLock() { return }
        var round = 0
        while !tryLock() {
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// Tries for so many pauses, and not longer.
    func tryLock(rounds: Int) -> Bool {
        SchedulingPoint.pass()
        for _ in 0..<rounds {
            if tryLock() { return true }
            cpmem_pause()
        }
        return tryLock()
    }

    @inline(__always)
    func unlock() {
        word.storeRelease(0)
        SchedulingPoint.pass()
    }

    func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }

    /// Waits for whoever holds the lock now.
    func passThrough() {
        lock()
        unlock()
    }
}
