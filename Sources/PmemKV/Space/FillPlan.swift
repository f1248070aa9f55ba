/// How many segments records take that are copied from another pool in the order in which that has
/// them: what ``PoolFiller`` does, counted.
///
/// However full the other pool is, they take no more segments than there. What an extent of several
/// segments leaves goes into one extent that is no longer. All else follows record by record: of
/// the ways to cut a sequence of records into segments, filling one after the other takes the
/// fewest, and the other pool has it cut in one of these ways.
struct FillPlan {
    let segmentUnits: Units
    private(set) var segments = 0
    private var position = Units.zero
    private var entries = 0

    init(_ geometry: Geometry) { segmentUnits = geometry.segmentUnits }

    /// Segments of an extent of their own for so many records; nil when they need none.
    static func ownSpan(units: Units, entries: Int, _ segmentUnits: Units) -> Int? {
        let total = (units + Summary.units(entries: entries)).count
        let segment = segmentUnits.count
        return total > segment ? (total + segment - 1) / segment : nil
    }

    /// Counts the records of one extent.
    mutating func add(_ records: [Units]) {
        let total = records.reduce(.zero, +)
        if let span = Self.ownSpan(units: total, entries: records.count, segmentUnits) {
            segments += span
            return
        }
        for units in records {
            let summary = Summary.units(entries: entries + 1)
            if entries == 0 || position + units + summary > segmentUnits {
                segments += 1
                position = .zero
                entries = 0
            }
            position += units
            entries += 1
        }
    }
}
