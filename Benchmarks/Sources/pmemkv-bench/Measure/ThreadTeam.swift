import CBench
import Foundation
import Synchronization

/// Threads that start together: each prepares, waits until all are ready, then works.
enum ThreadTeam {
    /// Runs `body` on `count` threads and returns their results in order; the first error wins.
    /// `body` calls the barrier it is handed once, between preparation and work.
    static func run<R: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (_ thread: Int, _ barrier: Barrier) throws -> R
    ) throws -> [R] {
        let barrier = Barrier(count)
        let outcomes = Mutex<[Int: Result<R, any Error>]>([:])
        let done = DispatchGroup()
        for thread in 0..<count {
            done.enter()
            let worker = Thread {
                let result = Result { try body(thread, barrier) }
                if case .failure = result { barrier.abandon() }
                outcomes.withLock { $0[thread] = result }
                done.leave()
            }
            worker.stackSize = 8 << 20
            worker.start()
        }
        done.wait()
        let results = outcomes.withLock { $0 }
        return try (0..<count).map { try results[$0]!.get() }
    }
}

/// Lets threads go when all have arrived. A thread that fails before it arrives opens it for good.
final class Barrier: Sendable {
    private let waiting: Atomic<Int>

    init(_ count: Int) { waiting = Atomic(count) }

    func arriveAndWait() {
        waiting.subtract(1, ordering: .acquiringAndReleasing)
        while waiting.load(ordering: .acquiring) > 0 { sched_yield() }
    }

    /// Arrives without waiting; whether all have arrived now.
    func arrive() -> Bool {
        waiting.subtract(1, ordering: .acquiringAndReleasing).newValue <= 0
    }

    func abandon() { waiting.store(-1 << 30, ordering: .releasing) }
}

/// A word one thread sets and others poll.
final class StopFlag: Sendable {
    private let word = Atomic<Bool>(false)
    func raise() { word.store(true, ordering: .relaxed) }
    @inline(__always) var isRaised: Bool { word.load(ordering: .relaxed) }
}
