extension PmemStore: EntryReading {
    /// The value of a key, copied; nil when there is no such key.
    ///
    /// - Throws: `invalidArgument` for an empty or over-long key; `corrupt` or `media` when the
    ///   record is damaged, or a damaged one may have been the key's; `closed`.
    /// - Complexity: O(1) plus the bytes; one copy. No lock.
    @inlinable
    public func get(_ key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try key.withStoreBytes { key throws(StoreError) in try get(key) }
    }

    /// The same for a span.
    public func get(_ key: RawSpan) throws(StoreError) -> [UInt8]? {
        try lookUp(key) { $0.value.array }
    }

    /// Copies the value of a key into a buffer, as much as it holds, and returns the value's
    /// length in bytes; nil when there is no such key. Allocates nothing.
    ///
    /// - Throws: what ``get(_:)`` throws; the buffer's contents are then undefined.
    /// - Complexity: O(1) plus the bytes.
    @inlinable
    public func get(
        _ key: some StoreBytes, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int? {
        try key.withStoreBytes { key throws(StoreError) in
            unsafe try copyValue(key, into: buffer)
        }
    }

    @usableFromInline
    func copyValue(
        _ key: RawSpan, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int? {
        try lookUp(key) { record in
            let value = record.value
            unsafe buffer.copyMemory(from: value.prefix(min(value.count, buffer.count)).buffer)
            return value.count
        }
    }

    /// Gives the value of a key to body without copying it; nil when there is no such key.
    ///
    /// The bytes stay as they are while body runs, whatever is written meanwhile. A body that runs
    /// long keeps the segment of the value from being reused, and nothing else. It may use the
    /// store, writes included, but not close it.
    ///
    /// - Throws: what ``get(_:)`` and body throw; `media` also when the medium failed while body
    ///   ran.
    /// - Complexity: O(1) plus the bytes, whose checksum is verified first.
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

    // What a generic function returns is looked up at run time where it is not compiled for its
    // caller, which costs as much as the read: so the callers' closures keep it.
    public func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try borrowValue(key, in: records.unnamedTable, seenBy: nil, body)
    }

    /// The same of any table, and in a snapshot; without one what there is now.
    @inline(__always)
    func borrowValue(
        _ key: RawSpan, in table: TableState, seenBy snapshot: LivingSnapshot?,
        _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try key.withByteView { key throws(StoreError) in
            try engine.check(key)
            let frame = records.gate.callbacks.enter(.reader)
            let key = table.key(key)
            _ = try records.lend(key, records.hash(key), seenBy: snapshot, in: frame) {
                found throws(StoreError) in
                try found.value.withSpan(body)
            }
        }
    }

    /// Whether a key is there. Its value is not looked at: when that is damaged the answer is true,
    /// and reading it throws.
    ///
    /// - Throws: `invalidArgument` for an empty or over-long key; `corrupt` or `media` when a
    ///   damaged record may have been the key's; `closed`.
    /// - Complexity: O(1) plus the bytes of the key.
    @inlinable
    public func contains(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { key throws(StoreError) in try containsKey(key) }
    }

    @usableFromInline
    func containsKey(_ key: RawSpan) throws(StoreError) -> Bool {
        try containsKey(key, in: records.unnamedTable)
    }

    func containsKey(_ key: RawSpan, in table: TableState) throws(StoreError) -> Bool {
        try key.withByteView { key throws(StoreError) in
            try engine.check(key)
            let key = table.key(key)
            return try records.contains(key, records.hash(key))
        }
    }

    @inline(__always)
    func lookUp<R>(
        _ key: RawSpan, _ body: (RecordView) -> R
    ) throws(StoreError) -> R? {
        try lookUp(key, in: records.unnamedTable, seenBy: nil, body)
    }

    @inline(__always)
    func lookUp<R>(
        _ key: RawSpan, in table: TableState, seenBy snapshot: LivingSnapshot?,
        _ body: (RecordView) -> R
    ) throws(StoreError) -> R? {
        try key.withByteView { key throws(StoreError) in
            try engine.check(key)
            let key = table.key(key)
            return try records.withRecord(key, records.hash(key), seenBy: snapshot, body)
        }
    }

    /// Keys in the store that belong to no named table. O(shards of the index + tables).
    public var count: Int { engine.count(.unnamed) }
}
