/// Reading many keys in one call.
extension PmemStore {
    /// Gives the values of many keys to body, one after the other in the order of the keys, nil for
    /// a key that is not there. While one is looked at, what the next ones need is on its way to
    /// the processor: for keys that are not in its caches that is about twice as fast as reading
    /// them one by one.
    ///
    /// Each key is read as ``withValue(forKey:_:)`` reads it, at a moment of its own: this is no
    /// snapshot.
    ///
    /// - Parameter body: is given the number of the key, from 0, and the value, whose bytes stay as
    ///   they are while it runs. It may use the store, writes included, but not close it.
    /// - Throws: what ``withValue(forKey:_:)`` throws, at the first key that it is thrown for; body
    ///   has seen those before it. What body throws.
    /// - Complexity: O(keys) plus the bytes. No lock.
    @inlinable
    public func withValues(
        forKeys keys: [some StoreBytes],
        _ body: (_ number: Int, _ value: RawSpan?) throws(StoreError) -> Void
    ) throws(StoreError) {
        var reads = try ManyReads(self)
        for number in 0..<min(keys.count, ManyReads.buckets) {
            try keys[number].withStoreBytes { key throws(StoreError) in
                try reads.prepare(number, key)
            }
        }
        for number in 0..<min(keys.count, ManyReads.records) { reads.prefetchRecord(number) }
        for number in 0..<keys.count {
            if number + ManyReads.records < keys.count {
                reads.prefetchRecord(number + ManyReads.records)
            }
            try keys[number].withStoreBytes { key throws(StoreError) in
                try reads.show(number, key, body)
            }
            let next = number + ManyReads.buckets
            guard next < keys.count else { continue }
            try keys[next].withStoreBytes { key throws(StoreError) in
                try reads.prepare(next, key)
            }
        }
    }

    /// The values of many keys, copied; nil for those that are not there. Otherwise like
    /// ``withValues(forKeys:_:)``.
    @inlinable
    public func get(_ keys: [some StoreBytes]) throws(StoreError) -> [[UInt8]?] {
        var values: [[UInt8]?] = []
        values.reserveCapacity(keys.count)
        try withValues(forKeys: keys) { _, value in
            guard let value else { return values.append(nil) }
            values.append(unsafe value.withUnsafeBytes { unsafe Array($0) })
        }
        return values
    }
}

/// Reads under way: a callback, and the hashes of the keys that are looked at next.
@usableFromInline
struct ManyReads: ~Copyable {
    /// Keys whose buckets are on their way; a power of two.
    @usableFromInline static let buckets = 16
    /// Keys whose records are on their way, too.
    @usableFromInline static let records = 8

    private let engine: Engine
    private let records: RecordIndex
    private let frame: CallbackFrame
    private var hashes = InlineArray<16, KeyHash>(repeating: KeyHash(rawValue: 0))

    @usableFromInline
    init(_ store: PmemStore) throws(StoreError) {
        engine = store.engine
        try engine.gate.checkReadable()
        records = engine.records
        frame = engine.gate.callbacks.enter(.reader)
    }

    /// Here, since the frame's own end must not become a part of callers' modules.
    @usableFromInline @inline(never)
    deinit {}

    @inline(__always)
    private func hash(_ number: Int) -> KeyHash { hashes[number & (Self.buckets - 1)] }

    @usableFromInline
    mutating func prepare(_ number: Int, _ key: RawSpan) throws(StoreError) {
        let hash = try key.withByteView { key throws(StoreError) in
            try engine.check(key)
            return records.hash(records.unnamed(key))
        }
        hashes[number & (Self.buckets - 1)] = hash
        engine.index.prefetch(hash)
    }

    @usableFromInline
    func prefetchRecord(_ number: Int) {
        records.prefetchRecord(hash(number), lines: RecordLayout.shortLines)
    }

    @usableFromInline
    func show(
        _ number: Int, _ key: RawSpan, _ body: (Int, RawSpan?) throws(StoreError) -> Void
    ) throws(StoreError) {
        let isThere: Void? = try key.withByteView { key throws(StoreError) in
            try records.lend(records.unnamed(key), hash(number), in: frame) {
                found throws(StoreError) in
                try found.value.withSpan { value throws(StoreError) in try body(number, value) }
            }
        }
        if isThere == nil { try body(number, nil) }
    }
}
