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

    private(set) var bytes: [UInt8] = []
    private(set) var entries: [Entry] = []

    /// An empty batch.
    public init() {}

    /// Puts and removes added so far.
    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// Adds a put. Lengths are checked when the batch is applied.
    public mutating func put(_ value: some StoreBytes, forKey key: some StoreBytes) {
        let start = bytes.count
        bytes.append(storeBytes: key)
        let keyLength = bytes.count - start
        bytes.append(storeBytes: value)
        entries.append(
            Entry(
                keyStart: start, keyLength: keyLength,
                valueLength: bytes.count - start - keyLength, kind: .put))
    }

    /// Adds a removal; removing a key that is not there is no error.
    public mutating func remove(_ key: some StoreBytes) {
        let start = bytes.count
        bytes.append(storeBytes: key)
        entries.append(
            Entry(
                keyStart: start, keyLength: bytes.count - start, valueLength: 0, kind: .tombstone))
    }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
    }
}

extension [UInt8] {
    fileprivate mutating func append(storeBytes source: some StoreBytes) {
        source.withStoreBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
        }
    }
}
