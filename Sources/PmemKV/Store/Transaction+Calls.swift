/// What a transaction's body calls.
extension Transaction {
    /// The value of a key, copied; nil when there is no such key.
    ///
    /// - Throws: what ``PmemStore/get(_:)`` throws. A transaction whose read failed cannot commit.
    /// - Complexity: O(1) plus the bytes; two copies of what the transaction has written itself.
    @inlinable
    public func get(_ key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try withValue(forKey: key) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
    }

    /// Gives the value of a key to body; nil when there is no such key. As with
    /// ``PmemStore/withValue(forKey:_:)``.
    ///
    /// - Throws: what that and body throw.
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
    /// were shown: those that there were when the scan began, with what the transaction had written
    /// by then. Otherwise like ``PmemStore/scan(_:reverse:limit:_:)``.
    ///
    /// What was read is the part of the range up to the entry that was shown last, keys that were
    /// not there included. When the transaction commits after a write to any key, that part is read
    /// again, and until then all other writers wait. With the hash index, where that would mean to
    /// read all keys, any write conflicts.
    ///
    /// - Throws: what that and body throw.
    /// - Complexity: that of a scan, and O(w log w) for w writes of the transaction.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try checkUse()
        guard let limit = try store.checked(limit) else { return }
        try read(range, reverse: reverse, limit: limit, body)
    }

    /// Stores a value under a key when the transaction commits.
    ///
    /// - Throws: `closed`, and `invalidArgument` as ``PmemStore/put(_:forKey:durability:)`` does.
    /// - Complexity: O(1) plus the bytes, which are copied.
    @inlinable
    public func put(
        _ value: some StoreBytes, forKey key: some StoreBytes
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try value.withStoreBytes { value throws(StoreError) in try add(key, value) }
        }
    }

    /// Removes a key when the transaction commits; removing one that is not there is no error.
    ///
    /// - Throws: `closed`, and `invalidArgument` as ``PmemStore/remove(_:durability:)`` does.
    @inlinable
    public func remove(_ key: some StoreBytes) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in try add(key, nil) }
    }
}
