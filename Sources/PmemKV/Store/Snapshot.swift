/// What a store held at one moment, whatever is written, compacted or removed since.
///
/// A snapshot stands in DRAM alone: it ends with the store, with ``end()``, or when nobody refers
/// to it any more. While it lives, what it sees and is superseded is kept, some 70 bytes of DRAM
/// and the record's room in the pool each (``Statistics/keptBytes``). When the pool would be full
/// because of that, the oldest snapshot ends, and reading it throws `snapshotTooOld`: a snapshot
/// that somebody forgot stops no writer.
///
/// Tables are in it as all else is, whatever becomes of them (``table(named:)``).
///
/// All methods may be called from any thread at any time. Reads of keys wait for no writer, but
/// where a batch is becoming visible. It keeps the store open that it is of.
public final class Snapshot: Sendable, EntryReading {
    let store: PmemStore
    let state: LivingSnapshot

    init(of store: PmemStore) throws(StoreError) {
        self.store = store
        state = try store.records.beginCountedSnapshot()
    }

    /// Of the keys of one table that are in a range: keeps nothing else, and counts nothing.
    fileprivate init(_ state: LivingSnapshot, of store: PmemStore) {
        self.store = store
        self.state = state
    }

    deinit { end() }

    /// Ends the snapshot: what only it saw can be reclaimed. Reading it throws `snapshotTooOld`
    /// from now on. Ending twice does nothing.
    ///
    /// - Complexity: O(shards of the index, and all records that are kept) when any are kept for
    ///   this one, else O(1).
    public func end() { store.engine.space.end(state) }

    /// What is read without a table's name.
    var unnamed: SnapshotTable { SnapshotTable(self, state.tables?.unnamed) }

    /// Keys in the snapshot that belong to no named table. O(1); to be asked at any time, also when
    /// it has ended.
    public var count: Int { unnamed.count }

    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try unnamed.borrowValue(key, body)
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try unnamed.showEntries(of: range, reverse: reverse, limit: limit, body)
    }

    // MARK: Tables

    /// A table as it was; without entries where there was none of this name. O(1).
    ///
    /// - Throws: `invalidArgument` for a name that no table can have.
    public func table(named name: String) throws(StoreError) -> SnapshotTable {
        let name = Array(name.utf8)
        try Engine.check(tableName: name)
        return SnapshotTable(self, state.tables?.names[name])
    }

    /// The tables that there were, by their names, with their keys. O(tables * log tables).
    public var tables: [TableInfo] { TableInfo.list(state.tables) }
}

/// A table of a snapshot. It keeps the snapshot.
public struct SnapshotTable: Sendable, EntryReading {
    private let snapshot: Snapshot
    /// Nil where it was not there.
    private let table: TableState?
    private var store: PmemStore { snapshot.store }

    fileprivate init(_ snapshot: Snapshot, _ table: TableState?) {
        self.snapshot = snapshot
        self.table = table
    }

    /// For a cursor: the keys of a range as they are now.
    init(
        of store: PmemStore, _ range: KeyRange, of table: () -> TableState?
    ) throws(StoreError) {
        if let (own, seen) = try store.engine.beginSnapshot(of: range, of: table) {
            self.init(Snapshot(own, of: store), seen.past)
        } else {
            // There is nothing, and will be nothing.
            self.init(Snapshot(.present(), of: store), nil)
        }
    }

    var isOrdered: Bool { store.engine.ordered != nil }

    /// Refuses where reading it would be refused.
    func check() throws(StoreError) {
        try store.engine.gate.checkReadable()
        try store.records.check(snapshot.state)
    }

    /// Keys that there were. O(1); to be asked at any time.
    public var count: Int {
        table.flatMap { snapshot.state.tables?.count($0) } ?? 0
    }

    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let table else { return try check(key) }
        try store.borrowValue(key, in: table, seenBy: snapshot.state, body)
    }

    /// The same refusals where there is nothing to be read.
    private func check(_ key: RawSpan) throws(StoreError) {
        try check()
        try key.withByteView { key throws(StoreError) in try store.engine.check(key) }
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try check()
        guard let limit = try store.checked(limit), let table else { return }
        let engine = store.engine
        let view = ScanView(
            snapshot.state, range, of: table, reverse: reverse, isOwn: false, engine.space)
        try engine.scan(view, limit: limit, body)
    }
}

extension PmemStore {
    /// A snapshot of the store as it is now: every write that has returned is in it, and none that
    /// begins later; a batch is in it as a whole or not at all.
    ///
    /// While no snapshot lives it costs writes nothing to speak of.
    ///
    /// - Throws: `closed`.
    /// - Complexity: O(shards of the index + tables), some microseconds without many tables. Waits
    ///   for writes under way, and other writes for that: on media with slow drains for one of
    ///   them.
    public func snapshot() throws(StoreError) -> Snapshot { try Snapshot(of: self) }
}
