/// What has to hold at the moment of a write for it to be made: what its maker saw is still so.
///
/// Invariant: what holds while all ``Engine/union(_:_:)`` of its shards are locked holds until they
/// are unlocked: only who has the shard of a key changes what there is of it.
struct Conditions {
    /// What there is to be of a key.
    enum Wanted {
        case nothing
        /// The record with this number, which compaction may have moved.
        case record(SequenceNumber)
        /// A value, by its place among the bytes.
        case value(Range<Int>)
    }

    struct OfKey {
        let key: Range<Int>
        let hash: KeyHash
        let wanted: Wanted
    }

    /// A range of which so many keys were there, none with a record at or above a number, and is to
    /// be as it was.
    struct OfRange {
        let range: KeyRange
        let number: SequenceNumber
        let count: Int
        /// Of the index, before the range was read.
        let changes: UInt64
    }

    private(set) var keys: [OfKey] = []
    private(set) var ranges: [OfRange] = []
    private var arena = ByteArena()

    mutating func add(_ key: RawSpan, _ hash: KeyHash, _ sequence: SequenceNumber?) {
        add(key, hash, sequence.map { .record($0) } ?? .nothing)
    }

    mutating func add(_ key: RawSpan, _ hash: KeyHash, value: RawSpan) {
        let start = arena.append(value)
        add(key, hash, .value(start..<(start + value.byteCount)))
    }

    private mutating func add(_ key: RawSpan, _ hash: KeyHash, _ wanted: Wanted) {
        let start = arena.append(key)
        keys.append(OfKey(key: start..<(start + key.byteCount), hash: hash, wanted: wanted))
    }

    mutating func add(_ range: OfRange) { ranges.append(range) }

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        ranges.removeAll(keepingCapacity: true)
        arena.removeAll()
    }

    var isSmall: Bool {
        arena.isSmall && ranges.capacity <= 64 && keys.capacity <= 64
    }

    func withBytes<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try arena.bytes.withByteView(body)
    }
}

extension Engine {
    /// Whether conditions hold together at this moment.
    func holdNow(_ conditions: Conditions) throws(StoreError) -> Bool {
        let shards = union(ShardSet(), conditions)
        shards.forEach { index.lock(ofShard: $0).lock() }
        defer { shards.forEach { index.lock(ofShard: $0).unlock() } }
        // Behind the locks, which whoever closes passes through: until they are given back the
        // medium stays.
        try gate.checkReadable()
        return try hold(conditions)
    }

    /// The shards that are locked for a write and its conditions: those of the keys, or all where a
    /// range is to stay as it was, since a new key of it may belong to any.
    func union(_ shards: ShardSet, _ conditions: Conditions) -> ShardSet {
        var all = shards
        if conditions.ranges.isEmpty {
            for item in conditions.keys { all.insert(index.shape.shard(of: item.hash)) }
        } else {
            for shard in index.shards { all.insert(shard) }
        }
        return all
    }

    /// Whether conditions hold. Their shards are locked.
    ///
    /// - Complexity: O(keys); of ranges that may have changed O(entries), a value each verified.
    func hold(_ conditions: Conditions) throws(StoreError) -> Bool {
        let areHeld = try conditions.withBytes { bytes throws(StoreError) in
            for item in conditions.keys where try !hold(item, bytes) { return false }
            return true
        }
        guard areHeld else { return false }
        for range in conditions.ranges where try !hold(range) { return false }
        return true
    }

    private func hold(
        _ item: Conditions.OfKey, _ bytes: ByteView
    ) throws(StoreError) -> Bool {
        let key = bytes.slice(item.key)
        switch item.wanted {
        case .nothing: return try !records.contains(key, item.hash)
        case .record(let sequence):
            if let found = try records.locate(key, item.hash) { return found.sequence == sequence }
            // Gone, unless a record that is too damaged to tell its key may be it.
            _ = try records.contains(key, item.hash)
            return false
        case .value(let range):
            let wanted = bytes.slice(range)
            return try records.withRecord(key, item.hash) {
                $0.value.hasSameBytes(as: wanted)
            } ?? false
        }
    }

    /// The hash index finds the keys of a range by going through all: there, any change counts for
    /// one of the range.
    private func hold(_ read: Conditions.OfRange) throws(StoreError) -> Bool {
        if index.changes == read.changes { return true }
        guard ordered != nil else { return false }
        var count = 0
        var isSame = true
        let view = ScanView(.present(), read.range, reverse: false, isOwn: false, space)
        try scan(view, limit: .max) { key, _ throws(StoreError) in
            let found = try key.withByteView { key throws(StoreError) in
                try records.locate(key, records.hash(key))
            }
            count += 1
            isSame = found.map { $0.sequence < read.number } ?? false && count <= read.count
            return isSame
        }
        return isSame && count == read.count
    }
}
