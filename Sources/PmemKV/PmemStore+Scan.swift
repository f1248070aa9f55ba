import CPmem

/// Keys from a lower bound to below an upper one, in bytewise order.
public struct KeyRange: Sendable, Equatable {
    /// The first key that belongs to the range; nil for no bound.
    public var from: [UInt8]?
    /// The first key behind the range; nil for no bound.
    public var to: [UInt8]?

    /// Every key.
    public static let all = KeyRange()

    /// Keys at or above `from` and below `to`.
    public init(from: [UInt8]? = nil, to: [UInt8]? = nil) {
        self.from = from
        self.to = to
    }

    /// Keys that begin with these bytes.
    public static func prefix(_ prefix: [UInt8]) -> KeyRange {
        // The upper bound is the prefix with its last byte below 255 raised by one.
        var upper = prefix
        while let last = upper.last {
            upper.removeLast()
            if last < 255 {
                return KeyRange(from: prefix, to: upper + [last + 1])
            }
        }
        return KeyRange(from: prefix.isEmpty ? nil : prefix)
    }

    /// Keys of both ranges.
    public func intersection(_ other: KeyRange) -> KeyRange {
        func order(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }
        let from = [from, other.from].compactMap { $0 }.max(by: order)
        let to = [to, other.to].compactMap { $0 }.min(by: order)
        return KeyRange(from: from, to: to)
    }

    func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        if let from, key.order(against: from) < 0 { return false }
        if let to, key.order(against: to) >= 0 { return false }
        return true
    }
}

extension PmemStore {
    /// Calls body with keys and values of a range in bytewise key order, until it returns false.
    ///
    /// Each key comes at most once, with the newest value when body sees it; a key removed
    /// meanwhile is left out. One that is added meanwhile may be left out with the hash index; with
    /// the ordered index it is met if it lies ahead. The spans are valid during that call only. Body
    /// may use the store.
    ///
    /// - Throws: `closed`; `corrupt` or `media` for a damaged record of the range, and for one
    ///   anywhere in the store that is too damaged to tell its key.
    /// - Complexity: with the ordered index O(log n) and O(1) an entry, for n keys in the store;
    ///   memory for 64 keys. With the hash index O(n log n), since it keeps no order: the keys of
    ///   the range are collected and sorted first; with `limit` the memory is that of so many keys.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if limit == 0 { return }
        if let ordered = engine.ordered {
            return try engine.scan(ordered, range, reverse: reverse, limit: limit ?? .max, body)
        }
        var keys = SortedKeys(reverse: reverse, limit: limit)
        try engine.forEachRecord(
            { record in
                if range.contains(record.key) { keys.insert(record.key) }
            },
            damage: { record throws(StoreError) in throw engine.damage(record) })
        for key in keys.sorted() {
            let goOn = try key.withStoreBytes { bytes throws(StoreError) in
                try engine.withRecord(bytes, engine.index.hash(bytes)) { record in
                    body(record.key.bytes, record.value.bytes)
                }
            }
            if goOn == false { return }
        }
    }
}

/// The keys of a scan; the lowest `limit` of them, or the highest when reversed.
private struct SortedKeys {
    let reverse: Bool
    let limit: Int?
    private var keys: [[UInt8]] = []
    /// The last key that still belongs to the scan, once there are enough.
    private var bound: [UInt8]?

    init(reverse: Bool, limit: Int?) {
        self.reverse = reverse
        self.limit = limit
    }

    mutating func insert(_ key: UnsafeRawBufferPointer) {
        if let bound, !comesBefore(key, bound) { return }
        keys.append([UInt8](key))
        // Cut back now and then: a short scan of a large store stays small, and what comes behind
        // the last key that was kept is not even copied.
        guard let limit, keys.count >= 2 * limit + 1024 else { return }
        keys = Array(ordered.prefix(limit))
        bound = keys.last
    }

    private func comesBefore(_ key: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
        let order = key.order(against: other)
        return reverse ? order > 0 : order < 0
    }

    private var ordered: [[UInt8]] {
        let ascending = keys.sorted { $0.lexicographicallyPrecedes($1) }
        return reverse ? ascending.reversed() : ascending
    }

    func sorted() -> [[UInt8]] {
        guard let limit else { return ordered }
        return Array(ordered.prefix(limit))
    }
}

extension Engine {
    /// Calls body with every record the index holds in these shards, or in all, and `damage` with
    /// those that cannot tell their key; each shard is looked at under its lock.
    func forEachRecord(
        inShards shards: Range<ShardNumber>? = nil, _ body: (RecordView) -> Void,
        damage: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        try checkReadable()
        try epochs.reading { () throws(StoreError) in
            for shard in shards ?? index.shards {
                var locations: [Location] = []
                let lock = index.lock(ofShard: shard)
                lock.lock()
                index.forEachLocation(inShard: shard) { locations.append($0) }
                lock.unlock()
                for (number, location) in locations.enumerated() {
                    if number + 8 < locations.count { prefetchRecord(at: locations[number + 8]) }
                    let seen: Void? = try withRecord(at: location) { record throws(StoreError) in
                        if self.fits(record), record.verifyHeader(salt: self.salt(of: record)) {
                            body(record)
                        } else {
                            try damage(record)
                        }
                    }
                    if seen == nil { throw StoreError(.corrupt, "the index names no record") }
                }
            }
        }
    }
}
