/// Memory that nobody can find any more, kept until nobody can still hold it.
///
/// Invariants:
/// - Whoever looks for such memory does so as a reader of the epochs that it is added with, which
///   are always the same.
/// - An entry carries the epoch in which it became unreachable; it is freed when that has passed,
///   or with the list, when no reader is left.
/// - The list changes under its lock.
@safe
final class RetiredMemory: @unchecked Sendable {
    private let lockLine = SharedLines(1)
    /// Oldest first.
    private var entries: [Entry] = []
    private var threshold = RetiredMemory.batch
    /// Entries between two attempts to free some.
    private static let batch = 128

    @safe
    private struct Entry {
        let memory: UnsafeMutableRawPointer
        let epoch: UInt64
    }

    deinit {
        for entry in entries { unsafe entry.memory.deallocate() }
    }

    /// Takes over memory from `allocate` that has just become unreachable.
    @unsafe
    func add(_ memory: UnsafeMutableRawPointer, _ epochs: borrowing Epochs) {
        let lock = SpinLock(lockLine[0, 0])
        lock.lock()
        defer { lock.unlock() }
        unsafe entries.append(Entry(memory: memory, epoch: epochs.now))
        if entries.count >= threshold { freeOldest(epochs) }
    }

    private func freeOldest(_ epochs: borrowing Epochs) {
        _ = epochs.tryAdvance()
        var freed = 0
        while freed < entries.count, epochs.hasPassed(entries[freed].epoch) {
            unsafe entries[freed].memory.deallocate()
            freed += 1
        }
        entries.removeFirst(freed)
        // A reader that stays inside for long must not make every addition look at the whole list.
        threshold = entries.count + Self.batch
    }
}
