/// What can be read like a store: a table of one, a snapshot, a transaction.
public protocol EntryReading {
    /// Gives the value of a key to body, if there is one: what the other reads of keys rest on.
    func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError)

    /// Calls body with the entries of a range in order, until it returns false or `limit` were
    /// shown: what ``scan(_:reverse:limit:_:)`` and ``entries(_:reverse:limit:)`` rest on.
    func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError)
}

extension EntryReading {
    /// The value of a key, copied; nil when there is no such key.
    ///
    /// - Throws: what ``PmemStore/get(_:)`` throws; `snapshotTooOld` where a snapshot is read. A
    ///   transaction whose read failed cannot commit.
    /// - Complexity: O(1) plus the bytes; one copy, two of what a transaction has written itself.
    @inlinable
    public func get(_ key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try withValue(forKey: key) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
    }

    /// The same for a span.
    @inlinable
    public func get(_ key: RawSpan) throws(StoreError) -> [UInt8]? {
        var result: [UInt8]?
        try borrowValue(key) { value in result = unsafe value.withUnsafeBytes { unsafe Array($0) } }
        return result
    }

    /// Gives the value of a key to body; nil when there is no such key. As with
    /// ``PmemStore/withValue(forKey:_:)``.
    ///
    /// - Throws: what ``get(_:)`` and body throw.
    @inlinable
    public func withValue<R>(
        forKey key: some StoreBytes, _ body: (RawSpan) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        var result: R?
        try key.withStoreBytes { key throws(StoreError) in
            try borrowValue(key) { value throws(StoreError) in result = try body(value) }
        }
        return result
    }

    /// Whether there is such a key. Its value is verified, too.
    ///
    /// - Throws: what ``get(_:)`` throws.
    @inlinable
    public func contains(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try withValue(forKey: key) { _ in true } ?? false
    }

    /// Calls body with the entries of a range in order, until it returns false or `limit` entries
    /// were shown. As with ``PmemStore/scan(_:reverse:limit:_:)``; of a snapshot each time the
    /// same.
    ///
    /// - Throws: what that throws, and body; `snapshotTooOld` where a snapshot is read.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try showEntries(of: range, reverse: reverse, limit: limit, body)
    }

    /// The entries of a range in order, copied: for ranges that are known to be small.
    ///
    /// - Throws: what ``scan(_:reverse:limit:_:)`` throws.
    public func entries(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil
    ) throws(StoreError) -> [(key: [UInt8], value: [UInt8])] {
        var found: [(key: [UInt8], value: [UInt8])] = []
        try showEntries(of: range, reverse: reverse, limit: limit) { key, value in
            found.append((key.withByteView { $0.array }, value.withByteView { $0.array }))
            return true
        }
        return found
    }
}
