/// What fits in an extent: records, and behind them the summary that lists them.
struct ExtentRoom {
    /// Zero when there is no extent.
    let capacity: Units
    private(set) var position = Units.zero
    private var entries = 0

    init(capacity: Units, position: Units = .zero, entries: Int = 0) {
        self.capacity = capacity
        self.position = position
        self.entries = entries
    }

    @inline(__always)
    func fits(units: Units, entries more: Int) -> Bool {
        position + units + Summary.units(entries: entries + more) <= capacity
    }

    /// What one more record may take.
    var rest: Units { max(.zero, capacity - position - Summary.units(entries: entries + 1)) }

    /// Segments of the extent that records need for themselves; nil when one segment will do.
    static func ownSpan(units: Units, entries: Int, _ segmentUnits: Units) -> Int? {
        let total = units + Summary.units(entries: entries)
        guard total > segmentUnits else { return nil }
        return (total.count + segmentUnits.count - 1) / segmentUnits.count
    }

    /// Takes the room for one record, in a new segment when it does not fit. Returns whether that
    /// was so.
    mutating func place(_ units: Units, _ segmentUnits: Units) -> Bool {
        let isNew = !fits(units: units, entries: 1)
        if isNew { self = ExtentRoom(capacity: segmentUnits) }
        position += units
        entries += 1
        return isNew
    }

    /// The same for so many records of one length. Returns how many new segments they took.
    /// O(segments).
    mutating func place(_ units: Units, count: Int, _ segmentUnits: Units) -> Int {
        var taken = 0
        var left = count
        while left > 0 {
            if place(units, segmentUnits) { taken += 1 }
            left -= 1
            let more = min(left, fittingCount(units))
            position += more * units
            entries += more
            left -= more
        }
        return taken
    }

    /// How many records of one length fit.
    private func fittingCount(_ units: Units) -> Int {
        let bytes = (capacity - position).bytes - Summary.bytes(entries: entries)
        return max(0, bytes / (units.bytes + Summary.entrySize))
    }
}
