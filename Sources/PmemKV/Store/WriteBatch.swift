/// Puts and removes that take effect together: after a crash all of them or none, and for
/// readers all of them at once.
///
/// A later entry for a key overrides an earlier one of the same batch. The batch keeps copies of
/// keys and values; it may be applied several times and to several stores.
public struct WriteBatch: Sendable {
    struct Entry {
        var keyStart: Int
        var keyLength: Int
        var valueLength: Int
        var kind: RecordKind
    }

    /// Keys and values, one behind the other.
    private var arena = ByteArena()
    private(set) var entries: [Entry] = []

    /// An empty batch.
    public init() {}

    /// Puts and removes added so far.
    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// Adds a put. Lengths are checked when the batch is applied.
    @inlinable
    public mutating func put(_ value: some StoreBytes, forKey key: some StoreBytes) {
        key.withStoreBytes { key in value.withStoreBytes { add(key, $0) } }
    }

    /// Adds a removal; removing a key that is not there is no error.
    @inlinable
    public mutating func remove(_ key: some StoreBytes) { key.withStoreBytes { add($0, nil) } }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        arena.removeAll()
        entries.removeAll(keepingCapacity: true)
    }

    /// Adds a put, or without a value a removal.
    @usableFromInline
    mutating func add(_ key: RawSpan, _ value: RawSpan?) {
        let start = arena.append(key)
        if let value { _ = arena.append(value) }
        entries.append(
            Entry(
                keyStart: start, keyLength: key.byteCount, valueLength: value?.byteCount ?? 0,
                kind: value == nil ? .tombstone : .put))
    }

    var isSmall: Bool { arena.isSmall }

    /// Gives what the entries' ranges refer to to body.
    func withBytes<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try arena.bytes.withByteView(body)
    }
}
