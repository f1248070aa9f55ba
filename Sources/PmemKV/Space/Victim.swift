/// An extent that is being emptied, and how far that has come. Under the compaction lock.
///
/// First its summary is read, then what lives of the entries is copied, both in steps.
///
/// Invariants (numbers from docs/crash-model.md):
/// - When nobody holds the compaction lock, every record before ``next`` is dead, or its copy is
///   durable and the index points at that: what lies between two steps is no state of its own.
/// - The extent stays sealed until the victim is done with or given up: nobody but the holder of
///   the compaction lock puts a sealed extent to another use.
/// - When the entries are known, all shards have been seen free since the extent was sealed, and
///   the horizon is younger than that. So every put that a tombstone in here hides was counted as
///   dead before (I8).
struct Victim {
    let extent: SegmentNumber
    let start: Location
    /// The summary while it is read.
    private var summary: SummaryReader?
    private(set) var entries: [SummaryEntry] = []
    private(set) var horizon = Horizon()
    /// The number of the first entry that has not been dealt with.
    private(set) var next = 0
    /// Whether the entries are known.
    private(set) var isRead = false

    /// - Parameter summary: nil when it is damaged.
    init(_ extent: SegmentNumber, at start: Location, _ summary: SummaryReader?) {
        self.extent = extent
        self.start = start
        self.summary = summary
    }

    var isDone: Bool { isRead && next == entries.count }

    /// How many entries were read.
    var entriesRead: Int { isRead ? entries.count : summary?.entriesRead ?? 0 }

    /// Takes the summary to go on with, and leaves none.
    mutating func takeSummary() -> SummaryReader? { summary.take() }

    /// Goes on with the summary later.
    mutating func keep(_ summary: consuming SummaryReader) { self.summary = summary }

    /// All of the summary is read.
    mutating func know(_ entries: [SummaryEntry], _ horizon: Horizon) {
        self.entries = entries
        self.horizon = horizon
        isRead = true
    }

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

/// A record that is needed.
struct Move {
    let entry: SummaryEntry
    let old: Location
    /// Where the index named it; nil for a tombstone, and for what a snapshot keeps.
    let seen: IndexPlace?
    /// Where the copy lies, once there is one.
    var new: Location?
}

/// How much work compaction does before it lets others go on: units of records that it copies, and
/// entries that it passes over, of which several cost as much as a unit.
struct StepBudget {
    private var left: Int
    private static let entriesPerUnit = 4
    private static let readsPerUnit = 16
    private static let mostReads = 2048

    init(_ units: Units) { left = units.count * Self.entriesPerUnit }

    var isSpent: Bool { left <= 0 }
    /// Entries of a summary to read in a step that does nothing else: 48 KiB at most.
    var reads: Int {
        min(Self.mostReads, max(1, left * (Self.readsPerUnit / Self.entriesPerUnit)))
    }
    mutating func passEntry() { left -= 1 }
    /// Looks for an entry in the ordered index: two cache misses, or three.
    mutating func passLeaf() { left -= 2 * Self.entriesPerUnit }
    mutating func copy(_ units: Units) { left -= units.count * Self.entriesPerUnit }
}
