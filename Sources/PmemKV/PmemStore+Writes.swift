/// What a transform of ``PmemStore/update(_:_:)`` wants done.
public enum ValueUpdate: Sendable {
    /// Leave the key as it is.
    case keep
    /// Store these bytes.
    case set([UInt8])
    /// Remove the key.
    case remove
}

extension PmemStore {
    /// Stores a value under a key, in place of an older one.
    ///
    /// - Throws: `outOfSpace` (nothing was written; reads and removes still work),
    ///   `invalidArgument` for an empty or over-long key, `readOnly`, `closed`, and `io` or
    ///   `media` after a failure of the medium, which ends all writing until the pool is opened
    ///   again.
    /// - Complexity: O(1) plus the bytes; one flush and one fence on synchronous media.
    @inlinable
    public func put(
        _ value: some StoreBytes, forKey key: some StoreBytes, durability: Durability = .durable
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try value.withStoreBytes { value throws(StoreError) in
                try putBytes(key, value, relaxed: durability == .relaxed)
            }
        }
    }

    /// The same for spans.
    public func put(
        _ value: RawSpan, forKey key: RawSpan, durability: Durability = .durable
    ) throws(StoreError) {
        try key.withUnsafeBytes { key throws(StoreError) in
            try value.withUnsafeBytes { value throws(StoreError) in
                try putBytes(key, value, relaxed: durability == .relaxed)
            }
        }
    }

    @usableFromInline
    func putBytes(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, relaxed: Bool
    ) throws(StoreError) {
        try engine.put(key, value, relaxed: relaxed)
    }

    /// Removes a key. Returns whether it was there. Works in a full pool, too.
    @inlinable
    @discardableResult
    public func remove(
        _ key: some StoreBytes, durability: Durability = .durable
    ) throws(StoreError) -> Bool {
        try key.withStoreBytes { bytes throws(StoreError) in
            try removeBytes(bytes, relaxed: durability == .relaxed)
        }
    }

    @usableFromInline
    func removeBytes(
        _ key: UnsafeRawBufferPointer, relaxed: Bool
    ) throws(StoreError) -> Bool {
        try engine.remove(key, relaxed: relaxed)
    }

    /// Applies a batch: after a crash all of it or none, and readers see it all at once.
    ///
    /// One fence for the whole batch.
    public func apply(
        _ batch: WriteBatch, durability: Durability = .durable
    ) throws(StoreError) {
        try engine.apply(batch, relaxed: durability == .relaxed)
    }

    /// Sets or removes a key if its value is the expected one; nil stands for "no such key" on
    /// either side. Returns whether it did. Atomic.
    public func compareAndSet(
        _ key: some StoreBytes, expected: [UInt8]?, to value: [UInt8]?
    ) throws(StoreError) -> Bool {
        var isEqual = false
        try update(key) { current in
            isEqual = current.isEqual(to: expected)
            guard isEqual else { return .keep }
            return value.map { .set($0) } ?? .remove
        }
        return isEqual
    }

    /// Reads a key and writes what transform makes of it, atomically.
    ///
    /// `transform` may run several times, when other writers of the key come in between; it must
    /// not use the store.
    public func update(
        _ key: some StoreBytes, _ transform: (RawSpan?) -> ValueUpdate
    ) throws(StoreError) {
        try key.withStoreBytes { bytes throws(StoreError) in
            var round = 0
            while try !self.engine.tryUpdate(bytes, transform) {
                SpinWait.wait(round: round)
                round += 1
            }
        }
    }

    /// Makes all earlier relaxed writes, of all threads, durable.
    public func sync() throws(StoreError) { try engine.sync() }

    /// Copies live data together until no more space can be gained.
    public func compact() throws(StoreError) { try engine.compactAll() }
}

extension RawSpan? {
    fileprivate func isEqual(to bytes: [UInt8]?) -> Bool {
        guard let self else { return bytes == nil }
        guard let bytes else { return false }
        return self.withUnsafeBytes { $0.elementsEqual(bytes) }
    }
}

extension Engine {
    /// One optimistic try: reads, asks, and writes if the record is still the same one.
    ///
    /// The sequence number tells whether it is: compaction moves a record and keeps its number.
    func tryUpdate(
        _ key: UnsafeRawBufferPointer, _ transform: (RawSpan?) -> ValueUpdate
    ) throws(StoreError) -> Bool {
        try checkKey(key)
        try checkWritable()
        let hash = index.hash(key)
        var seen: UInt64?
        let found: ValueUpdate? = try withRecord(key, hash) { record in
            seen = record.sequence
            return transform(record.value.bytes)
        }
        switch found ?? transform(nil) {
        case .keep: return true
        case .remove:
            guard seen != nil else { return true }
            return try write(
                RecordSource(tombstone: true, hash: hash, key: key, value: Self.emptyValue),
                relaxed: false
            ) { $0?.sequence == seen }
        case .set(let value):
            return try value.withStoreBytes { bytes throws(StoreError) in
                try self.write(
                    RecordSource(tombstone: false, hash: hash, key: key, value: bytes),
                    relaxed: false
                ) { $0?.sequence == seen }
            }
        }
    }
}
