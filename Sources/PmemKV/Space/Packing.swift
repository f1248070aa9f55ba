/// How many records there are of each length.
struct RecordSizes {
    /// By units.
    private(set) var counts: [Int: Int] = [:]
    /// Bytes that the records take in a segment, with their entries of its summary.
    private(set) var bytes = 0

    static func bytes(_ units: Units) -> Int { units.bytes + Summary.entrySize }

    mutating func add(_ units: Units) {
        counts[units.count, default: 0] += 1
        bytes += Self.bytes(units)
    }

    mutating func add(_ others: RecordSizes) {
        counts.merge(others.counts, uniquingKeysWith: +)
        bytes += others.bytes
    }
}

/// How many segments records take when they are moved together, in whatever order.
///
/// A segment is closed when the next record does not fit: what is in it and that record, the first
/// of the next segment, are together more than it holds. Added up over the closed segments, that is
/// at most all records and, of the longest ones, one fewer than there are closed segments.
struct Packing {
    private var sizes = RecordSizes()
    private var whole = 0
    /// What a segment surely holds, in bytes: its summary has a header and takes whole units.
    private let capacity: Int

    init(capacity: Units) {
        self.capacity = (capacity - Summary.units(entries: 1)).bytes
    }

    var longest: Units { Units(sizes.counts.keys.max() ?? 0) }

    /// The same when nothing is known but how long the records are together, and each at most.
    static func mostSegments(
        of units: Units, records: Int, longest: Units, capacity: Units
    ) -> Int {
        let packing = Packing(capacity: capacity)
        let least = packing.capacity - RecordSizes.bytes(longest)
        guard least > 0 else { return .max / 2 }
        return (units.bytes + records * Summary.entrySize) / least + 1
    }

    mutating func add(_ records: RecordSizes) { sizes.add(records) }

    /// Adds a segment of which nothing is known.
    mutating func addSegment() { whole += 1 }

    var mostSegments: Int {
        guard sizes.bytes > 0 else { return whole }
        var closed = 0
        var longest = 0
        for (units, count) in sizes.counts.sorted(by: { $0.key > $1.key }) {
            for _ in 0..<count {
                guard (closed + 1) * capacity < sizes.bytes + longest else {
                    return closed + 1 + whole
                }
                closed += 1
                longest += RecordSizes.bytes(Units(units))
            }
        }
        return closed + 1 + whole
    }
}
