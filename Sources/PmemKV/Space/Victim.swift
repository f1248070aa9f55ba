/// An extent that is being emptied, and how far that has come. Under the compaction lock.
///
/// Invariants (numbers from docs/crash-model.md):
/// - When nobody holds the compaction lock, every record before ``next`` is dead, or its copy is
///   durable and the index points at that: what lies between two steps is no state of its own.
/// - The extent stays sealed until the victim is done with or given up: nobody but the holder of
///   the compaction lock puts a sealed extent to another use.
/// - All shards have been seen free since the extent was sealed, and the horizon is younger than
///   that. So every put that a tombstone in here hides was counted as dead before (I8).
struct Victim {
    let extent: SegmentNumber
    let start: Location
    let entries: [SummaryEntry]
    let horizon: Horizon
    /// The number of the first entry that has not been dealt with.
    private(set) var next = 0

    init(_ extent: SegmentNumber, at start: Location, _ entries: [SummaryEntry], _ horizon: Horizon)
    {
        self.extent = extent
        self.start = start
        self.entries = entries
        self.horizon = horizon
    }

    var isDone: Bool { next == entries.count }

    /// Takes the next entry.
    @inline(__always)
    mutating func takeNext() -> SummaryEntry {
        defer { next &+= 1 }
        return entries[next]
    }

    /// The entry so many behind the next one.
    @inline(__always)
    func ahead(_ count: Int) -> SummaryEntry? {
        next &+ count < entries.count ? entries[next &+ count] : nil
    }
}

/// A record on the move.
struct Move {
    let entry: SummaryEntry
    let old: Location
    let new: Location
}

/// How much work compaction does before it lets others go on: units of records that it copies, and
/// entries that it passes over, of which several cost as much as a unit.
struct StepBudget {
    private var left: Int
    private static let entriesPerUnit = 4

    init(_ units: Units) { left = units.count * Self.entriesPerUnit }

    var isSpent: Bool { left <= 0 }
    mutating func passEntry() { left -= 1 }
    /// Looks for an entry in the ordered index: two cache misses, or three.
    mutating func passLeaf() { left -= 2 * Self.entriesPerUnit }
    mutating func copy(_ units: Units) { left -= units.count * Self.entriesPerUnit }
}
