/// Puts and removes that take effect together: after a crash all of them or none, and for
/// readers all of them at once.
///
/// A later entry for a key overrides an earlier one of the same batch. The batch keeps copies of
/// keys and values; it may be applied several times and to several stores.
public struct WriteBatch: Sendable {
    struct Entry {
        var keyStart: Int
        var valueLength: Int
        var keyLength: UInt32
        /// Which of the batch's ``WriteBatch/tables``, from 1; zero for the unnamed one.
        var table: UInt16
        var kind: RecordKind
    }

    /// Keys and values, one behind the other.
    private var arena = ByteArena()
    private(set) var entries: [Entry] = []
    /// Names of tables.
    private(set) var tables: [[UInt8]] = []

    /// An empty batch.
    public init() {}

    /// Puts and removes added so far.
    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// Adds a put. Lengths are checked when the batch is applied.
    ///
    /// - Parameter table: its name; nil for the unnamed one. A table that is not there is made
    ///   before the batch is applied, and may be all that a crash leaves.
    @inlinable
    public mutating func put(
        _ value: some StoreBytes, forKey key: some StoreBytes, in table: String? = nil
    ) {
        let table = number(of: table)
        key.withStoreBytes { key in value.withStoreBytes { add(key, $0, table) } }
    }

    /// Adds a removal; removing a key that is not there is no error.
    @inlinable
    public mutating func remove(_ key: some StoreBytes, in table: String? = nil) {
        let table = number(of: table)
        key.withStoreBytes { add($0, nil, table) }
    }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        arena.removeAll()
        entries.removeAll(keepingCapacity: true)
        tables.removeAll()
    }

    /// The number of a table in this batch.
    @usableFromInline
    mutating func number(of table: String?) -> Int {
        guard let table else { return 0 }
        return number(of: Array(table.utf8))
    }

    /// - Complexity: O(tables of the batch).
    mutating func number(of table: [UInt8]) -> Int {
        if let known = tables.firstIndex(of: table) { return known + 1 }
        tables.append(table)
        return tables.count
    }

    /// Adds a put, or without a value a removal.
    @usableFromInline
    mutating func add(_ key: RawSpan, _ value: RawSpan?, _ table: Int = 0) {
        let start = arena.append(key)
        if let value { _ = arena.append(value) }
        entries.append(
            Entry(
                keyStart: start, valueLength: value?.byteCount ?? 0,
                // Longer keys, and more tables than there can be, are refused all the same.
                keyLength: UInt32(clamping: key.byteCount), table: UInt16(clamping: table),
                kind: value == nil ? .tombstone : .put))
    }

    var isSmall: Bool { arena.isSmall }

    /// Gives what the entries' ranges refer to to body.
    func withBytes<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try arena.bytes.withByteView(body)
    }
}
