/// What a transaction's body calls.
///
/// Of a range that is scanned, what was read is the part up to the entry that was shown last, keys
/// that were not there included; the entries are those that there were when the scan began, with
/// what the transaction had written by then. When it commits after a write to any key, that part is
/// read again, and until then all other writers wait. With the hash index, where that would mean to
/// read all keys, any write conflicts.
extension Transaction: EntryReading {
    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try borrowValue(key, in: nil, body)
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try read(range, of: nil, reverse: reverse, limit: limit, body)
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
            try value.withStoreBytes { value throws(StoreError) in try add(key, value, in: nil) }
        }
    }

    /// Removes a key when the transaction commits; removing one that is not there is no error.
    ///
    /// - Throws: `closed`, and `invalidArgument` as ``PmemStore/remove(_:durability:)`` does.
    @inlinable
    public func remove(_ key: some StoreBytes) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in try add(key, nil, in: nil) }
    }
}

extension Transaction {
    /// A table, to be read and written by this transaction, as the store is by the transaction
    /// itself. One that is not there when something is put in it is made when the transaction
    /// commits.
    ///
    /// - Throws: `invalidArgument` for a name that no table can have.
    public func table(named name: String) throws(StoreError) -> TransactionTable {
        let name = Array(name.utf8)
        try Engine.check(tableName: name)
        return TransactionTable(self, name)
    }
}

/// A table in a transaction, whose body alone uses it.
public struct TransactionTable: EntryReading {
    @usableFromInline let transaction: Transaction
    @usableFromInline let name: [UInt8]

    fileprivate init(_ transaction: Transaction, _ name: [UInt8]) {
        self.transaction = transaction
        self.name = name
    }

    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try transaction.borrowValue(key, in: name, body)
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try transaction.read(range, of: name, reverse: reverse, limit: limit, body)
    }

    /// Stores a value under a key when the transaction commits.
    ///
    /// - Throws: what ``Transaction/put(_:forKey:)`` throws.
    @inlinable
    public func put(
        _ value: some StoreBytes, forKey key: some StoreBytes
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try value.withStoreBytes { value throws(StoreError) in
                try transaction.add(key, value, in: name)
            }
        }
    }

    /// Removes a key when the transaction commits; removing one that is not there is no error.
    ///
    /// - Throws: what ``Transaction/remove(_:)`` throws.
    @inlinable
    public func remove(_ key: some StoreBytes) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try transaction.add(key, nil, in: name)
        }
    }
}
