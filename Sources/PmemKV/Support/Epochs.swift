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
struct Epochs: @unchecked Sendable {
    private static let slots = 64
    private static let stride = 64
    private let memory: UnsafeMutableRawPointer
    private var current: UnsafeMutableRawPointer { memory }

    init() {
        let bytes = (Self.slots + 1) * Self.stride
        memory = .allocate(byteCount: bytes, alignment: Self.stride)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    }

    func deallocate() { memory.deallocate() }

    /// The place a reader has to give back to ``leave(_:)``.
    struct Ticket { let counter: UnsafeMutableRawPointer }

    @inline(__always)
    func enter() -> Ticket {
        let parity = Int(cpmem_load_acquire(current) & 1)
        let slot = 1 + Int(truncatingIfNeeded: cpmem_thread_hint()) & (Self.slots - 1)
        let counter = memory + slot * Self.stride + parity * 8
        _ = cpmem_fetch_add(counter, 1)
        return Ticket(counter: counter)
    }

    @inline(__always)
    func leave(_ ticket: Ticket) { _ = cpmem_fetch_sub(ticket.counter, 1) }

    /// The epoch now.
    var now: UInt64 { cpmem_load_seq_cst(current) }

    /// Moves to the next epoch if no reader of the previous one is left. One caller at a time.
    func tryAdvance() -> Bool {
        cpmem_fence_seq_cst()
        let epoch = cpmem_load_seq_cst(current)
        let parity = Int((epoch + 1) & 1)
        for slot in 1...Self.slots
        where cpmem_load_seq_cst(memory + slot * Self.stride + parity * 8) != 0 {
            return false
        }
        return cpmem_compare_exchange(current, epoch, epoch + 1)
    }

    /// Whether any reader is inside.
    var hasReaders: Bool {
        (1...Self.slots).contains { slot in
            let line = memory + slot * Self.stride
            return cpmem_load_seq_cst(line) != 0 || cpmem_load_seq_cst(line + 8) != 0
        }
    }
}
