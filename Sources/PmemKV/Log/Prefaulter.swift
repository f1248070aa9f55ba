import CPmem
import Dispatch

/// Prepares segments on a thread of its own, so that no writer waits for page faults.
///
/// The first touch of a page costs a fault, and where the file system had not written its blocks yet
/// a journal commit besides: milliseconds for a segment.
///
/// Invariants:
/// - One job at a time; asking while one waits or runs adds none.
/// - After `stop` has returned no job runs: the mapping may go.
final class Prefaulter: @unchecked Sendable {
    private let queue = DispatchQueue(label: "pmemkv.prefault", qos: .utility)
    /// First word: whether a job is under way; second: whether to stop.
    private let words = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)

    init() { words.initializeMemory(as: UInt64.self, repeating: 0, count: 2) }

    deinit { words.deallocate() }

    /// Calls step on the other thread until it returns false.
    func ask(_ step: @escaping @Sendable () -> Bool) {
        guard cpmem_load_relaxed(words) == 0, cpmem_compare_exchange(words, 0, 1) else { return }
        queue.async { [self] in
            while cpmem_load_acquire(words + 8) == 0, step() {}
            cpmem_store_release(words, 0)
        }
    }

    /// Waits for the step that runs. Not in a forked child, which has no other threads.
    func stop() {
        cpmem_store_release(words + 8, 1)
        queue.sync {}
    }
}
