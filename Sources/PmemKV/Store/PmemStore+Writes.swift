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
    /// - Throws: `outOfSpace` (nothing was written; reads and removes still work), `heldBack` for
    ///   as long as a backup holds writers back,
    ///   `invalidArgument` for an empty key, one longer than ``maximumKeyLength``, and a value of
    ///   64 GiB less 128 KiB or more, `readOnly`, `closed`, `insideCallback` in the transform of an
    ///   update, and `io` or `media` after a failure of the medium, which ends all writing until
    ///   the pool is opened again.
    /// - Complexity: O(1) plus the bytes; one flush and one fence on synchronous media. With the
    ///   ordered index O(log n) for a new key among n.
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
            _ = try value.withByteView { value throws(StoreError) in
                try engine.put(records.unnamed(key), value, relaxed: durability == .relaxed)
            }
        }
    }

    /// Removes a key. Returns whether it was there. Works in a full pool, too.
    ///
    /// - Throws: `invalidArgument` for an empty key or one of more than 65,536 bytes; `corrupt` or
    ///   `media` when a damaged record may have been the key's; `readOnly`, `closed`;
    ///   `insideCallback` in the
    ///   transform of an update; `io` or `media` after a failure of the medium, which ends all
    ///   writing until the pool is opened again.
    /// - Complexity: O(1) plus the bytes of the key; one fence when the key was there. With the
    ///   ordered index O(log n) for n keys.
    @inlinable
    @discardableResult
    public func remove(
        _ key: some StoreBytes, durability: Durability = .durable
    ) throws(StoreError) -> Bool {
        try key.withStoreBytes { key throws(StoreError) in
            try removeKey(key, relaxed: durability == .relaxed)
        }
    }

    @usableFromInline
    func removeKey(_ key: RawSpan, relaxed: Bool) throws(StoreError) -> Bool {
        try key.withByteView { key throws(StoreError) in
            try engine.remove(records.unnamed(key), relaxed: relaxed)
        }
    }

    /// Applies a batch: after a crash all of it or none, and readers see it all at once.
    ///
    /// Readers of the keys, and of those that happen to lie near them in the index, wait while the
    /// batch becomes visible, about 200 ns an entry.
    ///
    /// - Throws: what ``put(_:forKey:durability:)`` and ``remove(_:durability:)`` throw, for any of
    ///   the entries: then nothing of the batch was written.
    /// - Complexity: O(entries) plus the bytes; one fence for the whole batch, three when it goes
    ///   on to other segments. Takes 72 to 80 bytes of memory an entry meanwhile. With the ordered
    ///   index O(log n) for each new or removed key.
    public func apply(
        _ batch: WriteBatch, durability: Durability = .durable
    ) throws(StoreError) {
        try engine.apply(batch, relaxed: durability == .relaxed)
    }

    /// Sets or removes a key if its value is the expected one; nil stands for "no such key" on
    /// either side. Returns whether it did. Atomic.
    ///
    /// - Throws: what ``update(_:_:)`` throws.
    /// - Complexity: that of a read and a put; more when other writers of the key come in between.
    public func compareAndSet(
        _ key: some StoreBytes, expected: [UInt8]?, to value: [UInt8]?
    ) throws(StoreError) -> Bool {
        try Self.compareAndSet(expected, value) { transform throws(StoreError) in
            try update(key, transform)
        }
    }

    static func compareAndSet(
        _ expected: [UInt8]?, _ value: [UInt8]?,
        _ update: ((RawSpan?) throws(StoreError) -> ValueUpdate) throws(StoreError) -> Void
    ) throws(StoreError) -> Bool {
        var isEqual = false
        try update { current in
            isEqual = current.isEqual(to: expected)
            guard isEqual else { return .keep }
            return value.map { .set($0) } ?? .remove
        }
        return isEqual
    }

    /// Reads a key and writes what transform makes of it, atomically.
    ///
    /// `transform` may run several times, when other writers of the key come in between. It may
    /// read the store; writing to it or closing it throws `insideCallback`.
    ///
    /// - Throws: what ``put(_:forKey:durability:)`` throws for the value, and what
    ///   ``get(_:)`` throws for the old one; what `transform` throws: then nothing was written.
    /// - Complexity: that of a read and a put, for each time that `transform` runs.
    public func update(
        _ key: some StoreBytes, _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError) {
        try key.withStoreBytes { key throws(StoreError) in
            try key.withByteView { key throws(StoreError) in
                var round = 0
                while try !self.engine.tryUpdate(records.unnamed(key), transform) {
                    SpinWait.wait(round: round)
                    round += 1
                }
            }
        }
    }

    /// Makes all earlier relaxed writes, of all threads, durable. Waits for writes under way.
    ///
    /// - Throws: `readOnly`, `closed`; `insideCallback` in the transform of an update; `io` or
    ///   `media` when the medium failed: the relaxed writes may be lost, and the store refuses
    ///   writes until it is opened again.
    /// - Complexity: O(bytes of relaxed writes); a fence for each of a few places that are written
    ///   to at the same time.
    public func sync() throws(StoreError) {
        try engine.gate.checkWritable()
        try engine.log.sync()
    }

    /// Copies live data together until no more space can be gained. Reads and writes go on
    /// meanwhile; those that need space wait. What callbacks look at is left as it is.
    ///
    /// - Throws: `readOnly`, `closed`; `insideCallback` in the transform of an update; `io` or
    ///   `media` when the medium failed.
    /// - Complexity: O(bytes in use) at most; less where segments hold nothing dead.
    public func compact() throws(StoreError) { try engine.space.compactAll() }

    /// Makes one step of what ``OpenOptions/compactsInBackground`` has a thread do, however much is
    /// free.
    package func makeCompactionStep() throws(StoreError) {
        try engine.space.makeStepAhead()
    }
}

extension RawSpan? {
    fileprivate func isEqual(to bytes: [UInt8]?) -> Bool {
        guard let self else { return bytes == nil }
        guard let bytes else { return false }
        return bytes.withByteView { bytes in self.withByteView { $0.hasSameBytes(as: bytes) } }
    }
}
