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

/// The records that live in an extent, and its tombstones, by their lengths and in their order.
struct LiveRecords {
    private(set) var sizes = RecordSizes()
    private var runs: [Run] = []
    /// The numbers of the tombstones.
    private var tombstones: [SequenceNumber] = []

    /// Records of one length that follow each other; a tombstone is a run of none.
    private struct Run {
        let units: UInt32
        var count: UInt32
    }

    mutating func add(_ units: Units) {
        sizes.add(units)
        if let last = runs.last, last.count > 0, last.units == units.count {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(units: UInt32(units.count), count: 1))
        }
    }

    mutating func addTombstone(_ entry: SummaryEntry) {
        runs.append(Run(units: UInt32(entry.units.count), count: 0))
        tombstones.append(entry.number)
    }

    /// Moves them into a room, and on into new segments. Returns how many of these they took.
    /// O(runs).
    func place(
        in room: inout ExtentRoom, _ segment: Units, keeping isKept: (SequenceNumber) -> Bool
    ) -> Int {
        var taken = 0
        var next = 0
        for run in runs {
            let units = Units(Int(run.units))
            if run.count > 0 {
                taken += room.place(units, count: Int(run.count), segment)
            } else {
                if isKept(tombstones[next]), room.place(units, segment) { taken += 1 }
                next += 1
            }
        }
        return taken
    }
}

/// What lives in sealed extents, as it was found out while the pool was full.
///
/// Invariant: what is known of an extent adds up to the units that were alive in it, of its life,
/// when it was found out. Of a sealed extent records only die: as long as the count is the same, so
/// are the records. What did not add up, since somebody was writing, is not kept.
struct KnownRecords {
    private var extents: [SegmentNumber: (life: LifeWord, records: LiveRecords)] = [:]

    func records(of extent: SegmentNumber, _ life: LifeWord, _ live: Units) -> LiveRecords? {
        guard let known = extents[extent], known.life == life, known.records.sizes.units == live
        else { return nil }
        return known.records
    }

    mutating func note(
        _ records: LiveRecords, of extent: SegmentNumber, _ life: LifeWord, _ live: Units
    ) {
        extents[extent] = records.sizes.units == live ? (life, records) : nil
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
