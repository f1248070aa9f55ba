/// How many records there are of each length.
struct RecordSizes {
    /// By units.
    private(set) var counts: [Int: Int] = [:]
    private(set) var units = Units.zero
    /// Bytes that the records take in a segment, with their entries of its summary.
    private(set) var bytes = 0

    static func room(for units: Units) -> Int { units.bytes + Summary.entrySize }

    mutating func add(_ units: Units) {
        counts[units.count, default: 0] += 1
        self.units += units
        bytes += Self.room(for: units)
    }

    mutating func add(_ others: RecordSizes) {
        counts.merge(others.counts, uniquingKeysWith: +)
        units += others.units
        bytes += others.bytes
    }
}

/// How long the records are that live in sealed extents, as it was found out while the pool was
/// full.
///
/// Invariant: what is known of an extent adds up to the units that were alive in it, of its life,
/// when it was found out. Of a sealed extent records only die: as long as the count is the same, so
/// are the records. What did not add up, since somebody was writing, is not kept.
struct KnownSizes {
    private var extents: [SegmentNumber: (life: LifeWord, sizes: RecordSizes)] = [:]

    func sizes(of extent: SegmentNumber, _ life: LifeWord, _ live: Units) -> RecordSizes? {
        guard let known = extents[extent], known.life == life, known.sizes.units == live else {
            return nil
        }
        return known.sizes
    }

    mutating func note(
        _ sizes: RecordSizes, of extent: SegmentNumber, _ life: LifeWord, _ live: Units
    ) {
        extents[extent] = sizes.units == live ? (life, sizes) : nil
    }

    mutating func forget(_ extent: SegmentNumber) { extents[extent] = nil }

    mutating func forgetAll() { extents = [:] }
}

/// How many segments records take when they are moved together, in whatever order.
///
/// A segment is closed when the next record does not fit: what is in it and that record, the first
/// of the next segment, are together more than it holds. Added up over the closed segments, that is
/// at most all records and, of the longest ones, one fewer than there are closed segments.
struct Packing {
    private var sizes = RecordSizes()
    private var whole = 0
    private let capacity: Int

    init(capacity: Units) { self.capacity = Self.least(in: capacity) }

    /// What a segment surely holds, in bytes: its summary has a header and takes whole units.
    static func least(in segment: Units) -> Int { (segment - Summary.units(entries: 1)).bytes }

    /// Segments that so many bytes take at least, when some of them go into a place that is left.
    static func fewestSegments(of bytes: Int, segment: Units, behind rest: Units) -> Int {
        max(0, (bytes - rest.bytes + segment.bytes - 1) / segment.bytes)
    }

    var longest: Units { Units(sizes.counts.keys.max() ?? 0) }

    /// The same when nothing is known but how long the records are together, and each at most.
    static func mostSegments(
        of units: Units, records: Int, longest: Units, capacity: Units
    ) -> Int {
        let packing = Packing(capacity: capacity)
        let least = packing.capacity - RecordSizes.room(for: longest)
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
                longest += RecordSizes.room(for: Units(units))
            }
        }
        return closed + 1 + whole
    }
}
