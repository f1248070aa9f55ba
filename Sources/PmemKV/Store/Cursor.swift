/// A place among the entries of a range, in key order, that moves either way.
///
/// What it goes through is a ``Snapshot``, its own or one that it was made from: the entries of one
/// moment, whatever is written meanwhile. It begins nowhere: ``next()`` then moves to the first
/// entry, ``previous()`` to the last. A move that finds no entry leaves it where it is.
///
/// Entries are copied, some dozens at a time where they are short. For one thread at a time. A
/// cursor of its own snapshot ends that with itself; the store stays open until then.
///
/// - Complexity: of a move O(1) and the bytes, most often; with n keys in the store O(log n) where
///   others are read. The hash index keeps no order: there that takes O(n), for up to 16,384
///   entries or 4 MiB at a time.
public struct Cursor: ~Copyable {
    private let snapshot: SnapshotTable
    private let range: KeyRange
    private var page = EntryPage()
    /// Of the entry in ``page``; nil before the first move.
    private var place: Int?
    /// Entries of the last page: more of them are read behind it.
    private var pace = 0

    init(_ snapshot: SnapshotTable, _ range: KeyRange) {
        self.snapshot = snapshot
        self.range = range
    }

    // MARK: The entry

    /// Whether the cursor is at an entry.
    public var isAtEntry: Bool { place != nil }

    /// Gives key and value of the entry to body; nil when the cursor is at none. The spans are
    /// valid during that call.
    ///
    /// - Throws: what body throws.
    public borrowing func withEntry<R, E: Error>(
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(E) -> R
    ) throws(E) -> R? {
        guard let place else { return nil }
        return try page.withEntry(place, body)
    }

    /// The key, copied; nil when the cursor is at no entry.
    public var key: [UInt8]? { withEntry { key, _ in key.withByteView { $0.array } } }

    /// The value, copied; nil when the cursor is at no entry.
    public var value: [UInt8]? { withEntry { _, value in value.withByteView { $0.array } } }

    // MARK: Moving

    /// Moves to the first entry of the range. Returns whether there is one.
    ///
    /// - Throws: `snapshotTooOld`, and what ``PmemStore/scan(_:reverse:limit:_:)`` throws; the
    ///   cursor stays where it is.
    public mutating func first() throws(StoreError) -> Bool {
        try move(to: range, reverse: false)
    }

    /// Moves to the last entry of the range. Returns whether there is one.
    ///
    /// - Throws: what ``first()`` throws.
    public mutating func last() throws(StoreError) -> Bool {
        try move(to: range, reverse: true)
    }

    /// Moves to the first entry of the range whose key is not below this one. Returns whether there
    /// is one.
    ///
    /// - Throws: what ``first()`` throws.
    public mutating func seek(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try move(to: range.intersection(KeyRange(from: key)), reverse: false)
    }

    /// Moves to the last entry of the range whose key is below this one. Returns whether there is
    /// one.
    ///
    /// - Throws: what ``first()`` throws.
    public mutating func seek(below key: some StoreBytes) throws(StoreError) -> Bool {
        try move(to: range.intersection(KeyRange(to: key)), reverse: true)
    }

    /// Moves to the entry behind this one. Returns whether there is one.
    ///
    /// - Throws: what ``first()`` throws.
    public mutating func next() throws(StoreError) -> Bool { try step(reverse: false) }

    /// Moves to the entry before this one. Returns whether there is one.
    ///
    /// - Throws: what ``first()`` throws.
    public mutating func previous() throws(StoreError) -> Bool { try step(reverse: true) }

    private mutating func step(reverse: Bool) throws(StoreError) -> Bool {
        guard let place, let key else { return try move(to: range, reverse: reverse) }
        let neighbour = place + (reverse == page.isReverse ? 1 : -1)
        if page.entries.indices.contains(neighbour) {
            // Whether it may move does not depend on what happens to have been copied.
            try snapshot.check()
            self.place = neighbour
            return true
        }
        return try move(
            to: range.part(behind: key, reverse: reverse), reverse: reverse, pace: pace)
    }

    /// - Parameter pace: entries that were read for the move before, which this one goes on from.
    private mutating func move(
        to range: KeyRange, reverse: Bool, pace: Int = 0
    ) throws(StoreError) -> Bool {
        let limits = snapshot.isOrdered ? EntryPage.ordered : EntryPage.unordered
        let pace = min(max(2 * pace, limits.fewest), limits.most)
        let found = try EntryPage(reading: pace, limits.bytes, of: range, reverse, in: snapshot)
        self.pace = pace
        guard !found.entries.isEmpty else { return false }
        page = found
        place = 0
        return true
    }
}

/// Entries of a snapshot that stand beside each other, copied.
private struct EntryPage {
    /// Entries of a page, and bytes from which on it gets no more. A page begins small, since a
    /// cursor may have been set to read one entry; but with the hash index each takes a pass over
    /// all keys.
    static let ordered = (fewest: 2, most: 64, bytes: 64 << 10)
    static let unordered = (fewest: 16_384, most: 16_384, bytes: 4 << 20)

    private(set) var isReverse = false
    private(set) var entries: [(start: Int, keyLength: Int, valueLength: Int)] = []
    private var arena = ByteArena()

    init() {}

    init(
        reading count: Int, _ most: Int, of range: KeyRange, _ reverse: Bool,
        in snapshot: SnapshotTable
    ) throws(StoreError) {
        isReverse = reverse
        var bytes = 0
        var arena = ByteArena()
        var entries: [(start: Int, keyLength: Int, valueLength: Int)] = []
        try snapshot.scan(range, reverse: reverse, limit: count) { key, value in
            let start = arena.append(key)
            _ = arena.append(value)
            entries.append((start, key.byteCount, value.byteCount))
            bytes += key.byteCount + value.byteCount
            return bytes < most
        }
        self.arena = arena
        self.entries = entries
    }

    func withEntry<R, E: Error>(
        _ number: Int, _ body: (RawSpan, RawSpan) throws(E) -> R
    ) throws(E) -> R {
        let (start, keyLength, valueLength) = entries[number]
        let valueStart = start + keyLength
        return try arena.bytes.withByteView { bytes throws(E) in
            try bytes.slice(start..<valueStart).withSpans(
                and: bytes.slice(valueStart..<(valueStart + valueLength)), body)
        }
    }
}

extension SnapshotTable {
    /// A cursor over the entries of a range. It keeps the snapshot.
    public func cursor(_ range: KeyRange = .all) -> Cursor { Cursor(self, range) }
}

extension Snapshot {
    /// A cursor over the entries of a range. It keeps the snapshot.
    public func cursor(_ range: KeyRange = .all) -> Cursor { unnamed.cursor(range) }
}

extension PmemStore {
    /// A cursor over the entries of a range as they are now, in a snapshot of its own.
    ///
    /// - Throws: `closed`.
    /// - Complexity: that of beginning a scan.
    public func cursor(_ range: KeyRange = .all) throws(StoreError) -> Cursor {
        let records = records
        return Cursor(try SnapshotTable(of: self, range, of: { records.unnamedTable }), range)
    }
}

extension Table {
    /// A cursor over the entries of a range as they are now, in a snapshot of its own.
    ///
    /// - Throws: `closed`.
    public func cursor(_ range: KeyRange = .all) throws(StoreError) -> Cursor {
        Cursor(try SnapshotTable(of: store, range, of: { self.state }), range)
    }
}
