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
        var hash: KeyHash
        let wanted: Wanted
        /// Which of ``tables``, from 1; zero for the unnamed one.
        let table: Int
    }

    /// A table that was looked at; without a state it was not there.
    struct OfTable {
        let name: [UInt8]
        var state: TableState?
    }

    /// A range of which so many keys were there, none with a record at or above a number, and is to
    /// be as it was.
    struct OfRange {
        let range: KeyRange
        let table: Int
        let number: SequenceNumber
        let count: Int
        /// Of the index, before the range was read.
        let changes: UInt64
    }

    private(set) var keys: [OfKey] = []
    private(set) var ranges: [OfRange] = []
    private(set) var tables: [OfTable] = []
    private var arena = ByteArena()

    mutating func add(
        _ key: RawSpan, _ hash: KeyHash, _ sequence: SequenceNumber?, in table: Int = 0
    ) {
        add(key, hash, sequence.map { .record($0) } ?? .nothing, table)
    }

    mutating func add(_ key: RawSpan, _ hash: KeyHash, value: RawSpan, in table: Int = 0) {
        let start = arena.append(value)
        add(key, hash, .value(start..<(start + value.byteCount)), table)
    }

    private mutating func add(_ key: RawSpan, _ hash: KeyHash, _ wanted: Wanted, _ table: Int) {
        let start = arena.append(key)
        keys.append(
            OfKey(
                key: start..<(start + key.byteCount), hash: hash, wanted: wanted, table: table))
    }

    /// The number of a table here, which is looked for when it comes for the first time.
    ///
    /// - Complexity: O(tables that were looked at).
    mutating func number(of name: [UInt8], _ find: () -> TableState?) -> Int {
        if let known = tables.firstIndex(where: { $0.name == name }) { return known + 1 }
        tables.append(OfTable(name: name, state: find()))
        return tables.count
    }

    mutating func add(_ range: OfRange) { ranges.append(range) }

    /// Lets tables that were not there be the new ones of these names, in which nothing is.
    mutating func adopt(_ made: [[UInt8]: TableState], seed: UInt64) {
        for number in tables.indices where tables[number].state == nil {
            guard let state = made[tables[number].name] else { continue }
            tables[number].state = state
            for item in keys.indices where keys[item].table == number + 1 {
                keys[item].hash = arena.bytes.withByteView {
                    state.key($0.slice(keys[item].key)).hash(seed: seed)
                }
            }
        }
    }

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        ranges.removeAll(keepingCapacity: true)
        tables.removeAll()
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
        if hasOtherTables(than: conditions) { return false }
        let areHeld = try conditions.withBytes { bytes throws(StoreError) in
            for item in conditions.keys {
                guard try hold(item, bytes, in: state(of: item.table, in: conditions)) else {
                    return false
                }
            }
            return true
        }
        guard areHeld else { return false }
        for range in conditions.ranges {
            guard try hold(range, in: state(of: range.table, in: conditions)) else { return false }
        }
        return true
    }

    /// Whether a table that was looked at is another one by now, or gone, or has come.
    func hasOtherTables(than conditions: Conditions) -> Bool {
        conditions.tables.contains { tables.named($0.name)?.ref != $0.state?.ref }
    }

    /// A table as it is, which is as it was when it was looked at.
    private func state(of table: Int, in conditions: Conditions) -> TableState? {
        table == 0 ? records.unnamedTable : conditions.tables[table - 1].state
    }

    private func hold(
        _ item: Conditions.OfKey, _ bytes: ByteView, in table: TableState?
    ) throws(StoreError) -> Bool {
        guard let table else {
            // There is nothing in what is not there.
            if case .nothing = item.wanted { return true }
            return false
        }
        let key = table.key(bytes.slice(item.key))
        switch item.wanted {
        case .nothing: return try !records.contains(key, item.hash)
        case .record(let sequence):
            if let found = try records.locate(key, item.hash) {
                return found.sequence == sequence && !records.isStale(found, in: key.table)
            }
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
    private func hold(
        _ read: Conditions.OfRange, in table: TableState?
    ) throws(StoreError) -> Bool {
        guard let table, index.changes != read.changes else { return true }
        guard ordered != nil else { return false }
        var count = 0
        var isSame = true
        let view = ScanView(
            .present(), read.range, of: table, reverse: false, isOwn: false, space)
        try scan(view, limit: .max) { key, _ throws(StoreError) in
            let found = try key.withByteView { key throws(StoreError) in
                try records.locate(table.key(key), records.hash(table.key(key)))
            }
            count += 1
            isSame = found.map { $0.sequence < read.number } ?? false && count <= read.count
            return isSame
        }
        return isSame && count == read.count
    }
}
