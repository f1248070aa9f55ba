import CPmem

/// Memory that nobody can find any more, kept until nobody can still hold it.
///
/// Invariants:
/// - An entry carries the epoch after it became unreachable; it is freed two epochs later.
/// - The list changes under its lock.
final class RetiredMemory: @unchecked Sendable {
    private let epochs: Epochs
    private let word: UnsafeMutableRawPointer
    private var lock: SpinLock { SpinLock(AtomicWord(word)) }
    /// Oldest first.
    private var entries: [(memory: UnsafeMutableRawPointer, epoch: UInt64)] = []
    private var threshold = RetiredMemory.batch
    /// Entries between two attempts to free some.
    private static let batch = 128

    init(_ epochs: Epochs) {
        self.epochs = epochs
        word = .allocate(byteCount: 64, alignment: 64)
        word.storeBytes(of: 0, as: UInt64.self)
    }

    /// Frees everything. No reader is left.
    func deallocate() {
        for entry in entries { entry.memory.deallocate() }
        word.deallocate()
    }

    /// Takes over memory from `allocate` that has just become unreachable.
    func add(_ memory: UnsafeMutableRawPointer) {
        lock.lock()
        defer { lock.unlock() }
        entries.append((memory, epochs.now))
        guard entries.count >= threshold else { return }
        _ = epochs.tryAdvance()
        let now = epochs.now
        let free = entries.prefix { $0.epoch + 2 <= now }
        for entry in free { entry.memory.deallocate() }
        entries.removeFirst(free.count)
        // A reader that stays inside for long must not make every addition look at the whole list.
        threshold = entries.count + Self.batch
    }
}
