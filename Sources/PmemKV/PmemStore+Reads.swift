extension PmemStore {
    /// The value of a key, copied; nil when there is no such key.
    ///
    /// - Throws: `corrupt` or `media` when the record is damaged, `closed`.
    /// - Complexity: O(1) plus the bytes.
    @inlinable
    public func get(_ key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try key.withStoreBytes { bytes throws(StoreError) in try copyValue(bytes) }
    }

    /// The same for a span.
    public func get(_ key: RawSpan) throws(StoreError) -> [UInt8]? {
        try key.withUnsafeBytes { bytes throws(StoreError) in try copyValue(bytes) }
    }

    @usableFromInline
    func copyValue(_ key: UnsafeRawBufferPointer) throws(StoreError) -> [UInt8]? {
        try lookUp(key) { value in
            [UInt8](unsafeUninitializedCapacity: value.count) { buffer, count in
                if let source = value.baseAddress, value.count > 0 {
                    UnsafeMutableRawPointer(buffer.baseAddress!)
                        .copyMemory(from: source, byteCount: value.count)
                }
                count = value.count
            }
        }
    }

    /// Copies the value of a key into a buffer, as much as it holds, and returns the value's
    /// length in bytes; nil when there is no such key. Allocates nothing.
    @inlinable
    public func get(
        _ key: some StoreBytes, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int? {
        try key.withStoreBytes { bytes throws(StoreError) in try copyValue(bytes, into: buffer) }
    }

    @usableFromInline
    func copyValue(
        _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int? {
        try lookUp(key) { value in
            let count = min(value.count, buffer.count)
            if count > 0 {
                buffer.baseAddress!.copyMemory(from: value.baseAddress!, byteCount: count)
            }
            return value.count
        }
    }

    /// Gives the value of a key to body without copying it; nil when there is no such key.
    ///
    /// The bytes stay as they are while body runs, whatever is written meanwhile; a body that
    /// runs long keeps space from being reused. Throws `media` when the medium failed under it.
    @inlinable
    public func withValue<R>(
        forKey key: some StoreBytes, _ body: (RawSpan) -> R
    ) throws(StoreError) -> R? {
        try key.withStoreBytes { bytes throws(StoreError) in
            try borrowValue(bytes) { body($0.bytes) }
        }
    }

    @usableFromInline
    func borrowValue<R>(
        _ key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> R
    ) throws(StoreError) -> R? {
        let faults = engine.medium.faultCount
        let result = try lookUp(key, body)
        if engine.medium.faultCount != faults {
            throw StoreError(.media, "the medium failed while a value was being read")
        }
        return result
    }

    /// Whether a key is there.
    @inlinable
    public func contains(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { bytes throws(StoreError) in try containsKey(bytes) }
    }

    @usableFromInline
    func containsKey(_ key: UnsafeRawBufferPointer) throws(StoreError) -> Bool {
        try lookUp(key) { _ in true } ?? false
    }

    @inline(__always)
    private func lookUp<R>(
        _ key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> R
    ) throws(StoreError) -> R? {
        try engine.checkKey(key)
        return try engine.withRecord(key, engine.index.hash(key)) { body($0.value) }
    }

    /// Keys in the store. O(shards of the index).
    public var count: Int { engine.index.count }
}
