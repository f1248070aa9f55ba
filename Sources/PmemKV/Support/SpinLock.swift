import CPmem
import Glibc

/// Waiting without a kernel object: a few pauses, then the processor is given away, then sleep.
/// A lock may be held for as long as a medium takes to become durable.
package enum SpinWait {
    /// Called instead of giving the processor away, when set: a deterministic scheduler of the
    /// tests switches threads here. Set before any store is open.
    nonisolated(unsafe) package static var hook: (@Sendable () -> Void)?

    @inline(never)
    static func wait(round: Int) {
        if let hook {
            hook()
        } else if round < 16 {
            for _ in 0..<(1 << min(round, 6)) { cpmem_pause() }
        } else if round < 200 {
            sched_yield()
        } else {
            usleep(50)
        }
    }
}

/// A one-word lock in raw memory. Zero means free.
struct SpinLock {
    let word: UnsafeMutableRawPointer

    @inline(__always)
    func tryLock() -> Bool {
        cpmem_load_relaxed(word) == 0 && cpmem_compare_exchange(word, 0, 1)
    }

    @inline(__always)
    func lock() {
        if tryLock() { return }
        var round = 0
        while !tryLock() {
            SpinWait.wait(round: round)
            round += 1
        }
    }

    @inline(__always)
    func unlock() { cpmem_store_release(word, 0) }
}
