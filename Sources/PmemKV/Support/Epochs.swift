import CPmem

/// Keeps log space from being reused while a reader may still look at it.
///
/// Invariants:
/// - A reader counts itself in before it loads anything from the index and out after its last
///   look at the medium; it counts out where it counted in.
/// - The epoch moves from E to E + 1 only when no reader that entered in E - 1 is left.
/// - What was unlinked from the index while the epoch was E is unreachable once it is E + 2.
///
/// A reader that loaded E and was delayed before counting itself in counts as a reader of the
/// epoch with the same parity. That only delays an advance; it cannot see what was unlinked
/// before its counting, since both are sequentially consistent.
struct Epochs: ~Copyable, Sendable {
    /// A power of two.
    private static let counterLines = 64
    /// The epoch, then lines of two counters of readers each, one for either parity.
    private let lines = SharedLines(1 + counterLines)
    private var current: AtomicWord { lines[0, 0] }

    /// Where a reader counted itself in, to be given back once.
    struct Visit {
        fileprivate let readers: AtomicWord
    }

    /// Becomes a reader: what is found stays where it is until ``leave(_:)``.
    @inline(__always)
    func enter() -> Visit {
        let parity = Int(truncatingIfNeeded: current.loadAcquire() & 1)
        let line = 1 &+ Int(truncatingIfNeeded: cpmem_thread_hint()) & (Self.counterLines &- 1)
        let readers = lines[line, parity]
        SchedulingPoint.pass()
        readers.fetchAdd(1)
        return Visit(readers: readers)
    }

    @inline(__always)
    func leave(_ visit: Visit) { visit.readers.fetchSubtract(1) }

    /// Calls body as a reader.
    @inline(__always)
    func reading<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        let visit = enter()
        defer { leave(visit) }
        return try body()
    }

    /// The epoch now.
    var now: UInt64 { current.loadSequential() }

    /// Whether what became unreachable in an epoch can be held by nobody any more.
    func hasPassed(_ epoch: UInt64) -> Bool { epoch + 2 <= now }

    /// Moves to the next epoch if no reader of the previous one is left. For any thread: of
    /// two that find it so one moves it.
    func tryAdvance() -> Bool {
        cpmem_fence_seq_cst()
        let epoch = now
        guard !hasReaders(parity: Int((epoch + 1) & 1)) else { return false }
        return current.compareExchange(epoch, epoch + 1)
    }

    /// Whether any reader is inside.
    var hasReaders: Bool { hasReaders(parity: 0) || hasReaders(parity: 1) }

    private func hasReaders(parity: Int) -> Bool {
        (1...Self.counterLines).contains { lines[$0, parity].loadSequential() != 0 }
    }
}
