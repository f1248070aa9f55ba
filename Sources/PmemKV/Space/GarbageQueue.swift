/// The sealed extents that hold garbage, by how much of them it is: which one to empty next is told
/// without a look at all others.
///
/// The best victim is not the one with most garbage: of an extent whose records die fast there
/// will be less to copy soon. So what counts is its garbage, over what it takes to copy the rest,
/// and over the root of the rate at which a record in it dies. Where all records die alike that
/// chooses by garbage; where some are overwritten often, extents of the others are emptied earlier.
///
/// Invariants:
/// - Changes under the compaction lock. An extent that was sealed, or of whose records another
///   ``Liveness/garbageStep`` died, is in ``Segments/changed``, and is looked at when the next
///   victim is chosen; so one may have a little more garbage than its row says.
/// - A row has its extents in the order in which they came into it: the first one has been without
///   a change for longest.
struct GarbageQueue: ~Copyable {
    private static let rows = 64
    private static let none = Int32(-1)

    /// What is known of an extent, at its first segment.
    private struct Node {
        var row = none
        var next = none
        var previous = none
        /// What was dead in it when it was last looked at, at which sequence number.
        var dead: Int32 = 0
        var moment: UInt64 = 0
        /// Units that died for each number since the time before, over the units that lived;
        /// negative when unknown.
        var rate = -1.0
    }

    private var nodes: [Node]
    private var firsts = [Int32](repeating: none, count: rows)
    private var lasts = [Int32](repeating: none, count: rows)
    /// The rows that are not empty.
    private var filled: UInt64 = 0

    init(segments count: Int) { nodes = .init(repeating: Node(), count: count) }

    /// Makes room for the extents of a pool that grows.
    mutating func extend(toSegments count: Int) {
        nodes += .init(repeating: Node(), count: count - nodes.count)
    }

    // MARK: Changes

    /// Puts an extent where it belongs, with so many units of garbage, and of live records, out of
    /// `capacity`; takes it out when it has no garbage.
    mutating func place(
        _ extent: SegmentNumber, garbage: Units, live: Units, dead: Units, capacity: Units,
        at now: SequenceNumber, step: Units
    ) {
        remove(extent)
        guard garbage > .zero else { return }
        note(extent, live: live, dead: dead, at: now, step: step)
        let row = min(Self.rows - 1, garbage.count * Self.rows / max(1, capacity.count))
        append(Int32(extent.rawValue), to: row)
    }

    /// Takes an extent out, if it is in.
    mutating func remove(_ extent: SegmentNumber) {
        let node = nodes[extent.rawValue]
        guard node.row != Self.none else { return }
        let row = Int(node.row)
        if node.previous == Self.none {
            firsts[row] = node.next
        } else {
            nodes[Int(node.previous)].next = node.next
        }
        if node.next == Self.none {
            lasts[row] = node.previous
        } else {
            nodes[Int(node.next)].previous = node.previous
        }
        if firsts[row] == Self.none { filled &= ~(1 << UInt64(row)) }
        nodes[extent.rawValue].row = Self.none
    }

    /// Forgets how fast records died: another life begins.
    mutating func forget(_ extent: SegmentNumber) {
        remove(extent)
        nodes[extent.rawValue] = Node()
    }

    private mutating func append(_ extent: Int32, to row: Int) {
        let last = lasts[row]
        nodes[Int(extent)].row = Int32(row)
        nodes[Int(extent)].previous = last
        nodes[Int(extent)].next = Self.none
        if last == Self.none { firsts[row] = extent } else { nodes[Int(last)].next = extent }
        lasts[row] = extent
        filled |= 1 << UInt64(row)
    }

    private mutating func note(
        _ extent: SegmentNumber, live: Units, dead: Units, at now: SequenceNumber, step: Units
    ) {
        let node = nodes[extent.rawValue]
        if node.moment > 0 {
            let died = dead.count - Int(node.dead)
            // What died lived for half of the time.
            let lived = Double(live.count) + Double(died) / 2
            // Few deaths tell nothing: the first two may follow each other at once.
            guard died >= max(1, step.count / 2), now.rawValue > node.moment else { return }
            let rate = Double(died) / Double(now.rawValue - node.moment) / lived
            nodes[extent.rawValue].rate = node.rate < 0 ? rate : (node.rate + rate) / 2
        }
        nodes[extent.rawValue].dead = Int32(truncatingIfNeeded: dead.count)
        nodes[extent.rawValue].moment = now.rawValue
    }

    // MARK: The best

    /// Extents of a row that are looked at.
    private static let depth = 4

    /// The extent that is worth most, of those that `worth` gives a value for: what share of it is
    /// garbage. O(1): the first of each row compete.
    func best(
        _ now: SequenceNumber, step: Units,
        _ worth: (SegmentNumber) -> (garbage: Double, live: Units)?
    ) -> SegmentNumber? {
        var best: (extent: SegmentNumber, score: Double)?
        var rest = filled
        while rest != 0 {
            let row = Self.rows - 1 - rest.leadingZeroBitCount
            rest &= ~(1 << UInt64(row))
            var number = firsts[row]
            for _ in 0..<Self.depth where number != Self.none {
                let node = nodes[Int(number)]
                let extent = SegmentNumber(Int(number))
                number = node.next
                guard let (garbage, live) = worth(extent) else { continue }
                // Nothing is to be copied, and nothing to be waited for.
                if live == .zero { return extent }
                // It has not lost another step since.
                let waited = Double(now.rawValue &- node.moment) + 1
                let most = Double(step.count) / waited / Double(max(1, live.count))
                let rate = node.rate < 0 ? most : min(node.rate, most)
                let score = garbage / (2 - garbage) / rate.squareRoot()
                if best.map({ score > $0.score }) ?? true { best = (extent, score) }
            }
        }
        return best?.extent
    }
}
