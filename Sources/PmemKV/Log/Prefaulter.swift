import Dispatch
import Synchronization

/// Prepares segments on a thread of its own, so that no writer waits for page faults.
///
/// The first touch of a page costs a fault, and where the file system had not written its blocks
/// yet a journal commit besides: milliseconds for a segment.
///
/// Invariants:
/// - One job at a time; asking while one waits or runs adds none.
/// - After `stop` has returned no job runs: the mapping may go.
final class Prefaulter: Sendable {
    private let queue = DispatchQueue(label: "pmemkv.prefault", qos: .utility)
    private let isUnderWay = Atomic<Bool>(false)
    private let isStopped = Atomic<Bool>(false)

    /// Calls step on the other thread until it returns false.
    func ask(_ step: @escaping @Sendable () -> Bool) {
        guard !isUnderWay.load(ordering: .relaxed),
            !isUnderWay.exchange(true, ordering: .sequentiallyConsistent)
        else { return }
        queue.async { [self] in
            while !isStopped.load(ordering: .acquiring), step() {}
            isUnderWay.store(false, ordering: .releasing)
        }
    }

    /// Waits for the step that runs. Not in a forked child, which has no other threads.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        queue.sync {}
    }
}
