/// How many segments records take that are copied from another pool in the order in which that has
/// them: what ``PoolFiller`` does, counted.
///
/// However full the other pool is, they take no more segments than there. What an extent of several
/// segments leaves goes into one extent that is no longer. All else follows record by record: of
/// the ways to cut a sequence of records into segments, filling one after the other takes the
/// fewest, and the other pool has it cut in one of these ways.
struct FillPlan {
    private let segmentUnits: Units
    private(set) var segments = 0
    private var room = ExtentRoom(capacity: .zero)

    init(_ geometry: Geometry) { segmentUnits = geometry.segmentUnits }

    /// Counts the records of one extent.
    mutating func add(_ records: [Units]) {
        let total = records.reduce(.zero, +)
        if let span = ExtentRoom.ownSpan(units: total, entries: records.count, segmentUnits) {
            segments += span
            return
        }
        for units in records {
            if room.place(units, segmentUnits) { segments += 1 }
        }
    }
}
