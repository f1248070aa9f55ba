/// Hands out sequence numbers.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I5: a number is below the durable limit of the superblock when it is used, so that after a
///   crash every new number is above all old ones, torn tails included.
final class Sequences: @unchecked Sendable {
    private let root: Superblocks
    private let gate: Gate
    private let step: Int
    private let lines = SharedLines(2)
    /// Taken from by every write, so it has a line of its own.
    private var next: AtomicWord { lines[0, 0] }
    private var limit: AtomicWord { lines[1, 0] }

    /// - Parameter step: numbers made available by one update of the superblock.
    init(step: UInt64, root: Superblocks, gate: Gate) {
        self.root = root
        self.gate = gate
        self.step = Int(step)
    }

    /// Begins with a number above every one that may stand on the medium. Before the first write.
    func begin(at first: SequenceNumber) {
        next.storeRelaxed(first.rawValue)
        limit.storeRelaxed(first.rawValue)
    }

    /// The number that is taken next.
    var upcoming: SequenceNumber { SequenceNumber(next.loadAcquire()) }

    /// The same, as a read-modify-write: whoever takes a number behind it sees what was stored
    /// before.
    func watermark() -> SequenceNumber { SequenceNumber(next.fetchAdd(0)) }

    /// A limit that leaves a whole step of numbers, for an update of the superblock that is due
    /// anyway (see ``adopt(limit:)``).
    var roomyLimit: SequenceNumber { upcoming + step }

    /// The superblock with this limit is durable.
    func adopt(limit: SequenceNumber) { self.limit.storeRelease(limit.rawValue) }

    /// Takes consecutive numbers. The shard of every key concerned is locked (I4).
    @inline(__always)
    func take(_ count: Int) throws(StoreError) -> SequenceNumber {
        let first = SequenceNumber(next.fetchAdd(UInt64(truncatingIfNeeded: count)))
        let end = first + count
        if end.rawValue > limit.loadAcquire() { try raiseLimit(above: end) }
        return first
    }

    @inline(never)
    private func raiseLimit(above needed: SequenceNumber) throws(StoreError) {
        try gate.failing { () throws(StoreError) in
            while limit.loadAcquire() < needed.rawValue {
                let block = try root.update { block in
                    guard block.sequenceLimit < needed else { return false }
                    block.sequenceLimit = block.sequenceLimit + step
                    return true
                }
                limit.storeRelease(block.sequenceLimit.rawValue)
            }
        }
    }
}
