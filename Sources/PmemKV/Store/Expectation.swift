/// Which write a value is of: another one for every put of its key, and the same for as long as
/// the key is not written, whatever is compacted, and in the pool's backups as well. Another pool's
/// versions say nothing here.
public struct ValueVersion: Hashable, Sendable {
    let sequence: SequenceNumber
}

/// What is expected of a key for a batch to be applied: see
/// ``PmemStore/apply(_:expecting:durability:)``.
public struct Expectation: Sendable {
    enum State: Sendable {
        case absent
        case value([UInt8])
        case version(ValueVersion)
    }

    let key: [UInt8]
    let table: [UInt8]?
    let state: State

    private init(_ key: some StoreBytes, _ table: String?, _ state: State) {
        self.key = key.array
        self.table = table.map { Array($0.utf8) }
        self.state = state
    }

    /// There is no such key.
    ///
    /// - Parameter table: the name of the key's table, here as below; nil for the unnamed one.
    public static func absent(_ key: some StoreBytes, in table: String? = nil) -> Expectation {
        Expectation(key, table, .absent)
    }

    /// The key has these bytes.
    public static func value(
        _ value: some StoreBytes, forKey key: some StoreBytes, in table: String? = nil
    ) -> Expectation {
        Expectation(key, table, .value(value.array))
    }

    /// The key was not written since its value was read.
    public static func version(
        _ version: ValueVersion, forKey key: some StoreBytes, in table: String? = nil
    ) -> Expectation {
        Expectation(key, table, .version(version))
    }
}

extension PmemStore {
    /// The value of a key, copied, and which write it is of; nil when there is no such key.
    ///
    /// - Throws: what ``get(_:)`` throws.
    /// - Complexity: O(1) plus the bytes; one copy. No lock.
    @inlinable
    public func getVersioned(
        _ key: some StoreBytes
    ) throws(StoreError) -> (value: [UInt8], version: ValueVersion)? {
        try key.withStoreBytes { key throws(StoreError) in try versionedValue(key) }
    }

    @usableFromInline
    func versionedValue(
        _ key: RawSpan
    ) throws(StoreError) -> (value: [UInt8], version: ValueVersion)? {
        try lookUp(key) { ($0.value.array, ValueVersion(sequence: $0.sequence)) }
    }

    /// Applies a batch if all expectations are met at that moment; an empty one only finds out.
    /// Returns whether they were. Atomic.
    ///
    /// - Throws: what ``apply(_:durability:)`` throws, `outOfSpace` only where they are met;
    ///   `invalidArgument` for a key that none can be; `corrupt` or `media` where a damaged record
    ///   may be that of a key.
    /// - Complexity: that of the batch, and of looking at each expected key; a value that is
    ///   expected is read while writers of the key wait.
    public func apply(
        _ batch: WriteBatch, expecting expectations: [Expectation],
        durability: Durability = .durable
    ) throws(StoreError) -> Bool {
        while true {
            let conditions = try conditions(of: expectations)
            if try engine.apply(batch, relaxed: durability == .relaxed, if: conditions) {
                return true
            }
            // A table that came or went meanwhile says nothing about what was expected in it.
            if !engine.hasOtherTables(than: conditions) { return false }
        }
    }

    private func conditions(of expectations: [Expectation]) throws(StoreError) -> Conditions {
        var conditions = Conditions()
        for expectation in expectations {
            let key = expectation.key
            try key.withStoreBytes { key throws(StoreError) in
                let (table, hash) = try engine.look(
                    at: key, in: expectation.table, for: &conditions)
                switch expectation.state {
                case .absent: conditions.add(key, hash, nil, in: table)
                case .version(let version):
                    conditions.add(key, hash, version.sequence, in: table)
                case .value(let value):
                    value.withStoreBytes { conditions.add(key, hash, value: $0, in: table) }
                }
            }
        }
        return conditions
    }
}
