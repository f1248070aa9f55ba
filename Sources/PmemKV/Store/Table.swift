/// A table: a named part of a store with keys, an order and a count of its own.
///
/// A handle, by the name: it may be made before the table is there, and stays good when that is
/// dropped and made again. The first put makes the table, durably; until then, and when it has been
/// dropped, it is read as empty. Keys of one table are not seen in another, nor by the store
/// itself, whose own keys belong to none.
///
/// All methods may be called from any thread at any time.
public final class Table: Sendable {
    let store: PmemStore
    private let bytes: [UInt8]
    /// The table that was found last.
    private let words = SharedLines(1)

    init(of store: PmemStore, _ name: [UInt8]) {
        self.store = store
        bytes = name
    }

    /// What it is called.
    public var name: String { String(decoding: bytes, as: UTF8.self) }

    /// The table as it is now; nil when it is not there.
    var state: TableState? {
        let tables = store.records.tables
        let known = TableRef(rawValue: words[0].loadRelaxed())
        if known.hasLife, tables.isCurrent(known) {
            // Another one's by now, where the table is: whoever relies on it looks at that again.
            return TableState(ref: known, floor: tables.floor(known.number))
        }
        // A thread of the parent may have been looking: in a child its lock stays taken.
        guard !store.engine.gate.isForked, let state = tables.named(bytes) else { return nil }
        words[0].storeRelaxed(state.ref.rawValue)
        return state
    }

    /// Whether there is such a table. O(1).
    public var isThere: Bool { state != nil }

    /// Keys in the table. O(1).
    public var count: Int { state.map { store.records.tables.count($0.ref.number) } ?? 0 }

    // MARK: Reading

    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let state else { return try checkReading(key) }
        try store.borrowValue(key, in: state, seenBy: nil, body)
    }

    /// Whether a key is there. Its value is not looked at.
    ///
    /// - Throws: what ``PmemStore/contains(_:)`` throws.
    public func contains(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { key throws(StoreError) in
            guard let state else {
                try checkReading(key)
                return false
            }
            return try store.containsKey(key, in: state)
        }
    }

    /// The refusals of a read where there is nothing to be read.
    private func checkReading(_ key: RawSpan) throws(StoreError) {
        try store.engine.gate.checkReadable()
        try key.withByteView { key throws(StoreError) in try store.engine.check(key) }
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        guard let limit = try store.checked(limit) else { return }
        try store.engine.scan(range, of: { self.state }, reverse: reverse, limit: limit, body)
    }

    // MARK: Writing

    /// Stores a value under a key, in place of an older one, in a table that is made if it is not
    /// there. Otherwise as ``PmemStore/put(_:forKey:durability:)``.
    ///
    /// - Throws: what that throws; `outOfSpace` also when there are as many tables as a pool can
    ///   have.
    @inlinable
    public func put(
        _ value: some StoreBytes, forKey key: some StoreBytes, durability: Durability = .durable
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try value.withStoreBytes { value throws(StoreError) in
                try put(value, forKey: key, durability: durability)
            }
        }
    }

    /// The same for spans.
    public func put(
        _ value: RawSpan, forKey key: RawSpan, durability: Durability = .durable
    ) throws(StoreError) {
        try key.withByteView { key throws(StoreError) in
            try value.withByteView { value throws(StoreError) in
                // Refused before a table is made for it.
                try store.engine.check(key, value)
                while try !store.engine.put(
                    try writableState().key(key), value, relaxed: durability == .relaxed)
                {}
            }
        }
    }

    private func writableState() throws(StoreError) -> TableState {
        if let state { return state }
        return try store.engine.makeTable(named: bytes)
    }

    /// Removes a key. Returns whether it was there. As ``PmemStore/remove(_:durability:)``.
    @discardableResult
    public func remove(
        _ key: some StoreBytes, durability: Durability = .durable
    ) throws(StoreError) -> Bool {
        try key.withStoreBytes { key throws(StoreError) in
            guard let state else {
                try checkReading(key)
                try store.engine.gate.checkWritable()
                return false
            }
            return try key.withByteView { key throws(StoreError) in
                try store.engine.remove(state.key(key), relaxed: durability == .relaxed)
            }
        }
    }

    /// Reads a key and writes what transform makes of it, atomically. As
    /// ``PmemStore/update(_:_:)``; what is to be set in a table that is not there makes it.
    public func update(
        _ key: some StoreBytes, _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try key.withByteView { key throws(StoreError) in
                try store.engine.check(key)
                var round = 0
                while true {
                    if let state {
                        if try store.engine.tryUpdate(state.key(key), transform) { return }
                        SpinWait.wait(round: round)
                        round += 1
                    } else {
                        guard try store.engine.wantsValue(transform) else { return }
                        _ = try writableState()
                    }
                }
            }
        }
    }

    /// Sets or removes a key if its value is the expected one; nil stands for "no such key" on
    /// either side. Returns whether it did. As ``PmemStore/compareAndSet(_:expected:to:)``.
    public func compareAndSet(
        _ key: some StoreBytes, expected: [UInt8]?, to value: [UInt8]?
    ) throws(StoreError) -> Bool {
        try PmemStore.compareAndSet(expected, value) { transform throws(StoreError) in
            try update(key, transform)
        }
    }

    // MARK: All of it

    /// Takes all keys out, at one moment and by one record; the table stays. Returns whether it was
    /// there. What is written behind that moment stays. Snapshots see what they saw.
    ///
    /// The room comes back when segments are compacted, as after removals, without a tombstone for
    /// each key.
    ///
    /// - Throws: what ``PmemStore/remove(_:durability:)`` throws.
    /// - Complexity: a fence, during which other writers wait; then O(keys of the store), some 50
    ///   ns each, during which others go on.
    @discardableResult
    public func clear() throws(StoreError) -> Bool {
        try store.engine.empty(bytes, drop: false)
    }

    /// Takes the table away with all of its keys, as ``clear()`` does. Returns whether it was
    /// there. Its name can be used again at once.
    @discardableResult
    public func drop() throws(StoreError) -> Bool {
        try store.engine.empty(bytes, drop: true)
    }
}

/// What a table is called and how full it is.
public struct TableInfo: Sendable, Equatable {
    public var name: String
    /// Keys.
    public var count: Int

    static func list(_ tables: SeenTables?) -> [TableInfo] {
        guard let tables else { return [] }
        let names = tables.names.keys.sorted { $0.lexicographicallyPrecedes($1) }
        return names.map { name in
            TableInfo(
                name: String(decoding: name, as: UTF8.self),
                count: tables.names[name].map(tables.count) ?? 0)
        }
    }
}

extension PmemStore {
    /// A table of this store, by its name: 1 to 255 bytes of UTF-8. It need not be there.
    ///
    /// A pool has at most 65,534 tables. One costs a record on the medium and some hundred bytes of
    /// DRAM; a key in it 8 bytes more than others. Its first use makes the pool one that programs
    /// refuse which know nothing of tables.
    ///
    /// - Throws: `invalidArgument` for a name that no table can have.
    public func table(named name: String) throws(StoreError) -> Table {
        let name = Array(name.utf8)
        try Engine.check(tableName: name)
        return Table(of: self, name)
    }

    /// The tables that are there, by their names, with their keys, as of one moment.
    ///
    /// - Throws: `closed`.
    /// - Complexity: that of a snapshot, and O(tables * log tables).
    public func tables() throws(StoreError) -> [TableInfo] {
        let snapshot = try snapshot()
        defer { snapshot.end() }
        return snapshot.tables
    }

    /// Takes all keys out that belong to no table, as ``Table/clear()`` does.
    public func clear() throws(StoreError) { _ = try engine.empty(nil, drop: false) }
}
