/// The entries of a batch on their way to the log: the last one of each key, in order, with their
/// hashes and, once they are written, their places.
struct BatchSources {
    struct Item {
        let source: RecordSource
        /// Where its key is looked for: a hint.
        let bucket: Bucket
        /// Where the record was written.
        var location = Location(units: 0)
    }

    private(set) var items: [Item]

    /// What a batch needs.
    struct Demand {
        var units = Units.zero
        /// Of the longest record.
        var longest = Units.zero
        var removals = 0
        var shards = ShardSet()
    }

    init(capacity: Int) {
        items = []
        items.reserveCapacity(capacity)
    }

    @inline(__always)
    var count: Int { items.count }

    @inline(__always)
    subscript(number: Int) -> RecordSource { items[number].source }

    @inline(__always)
    mutating func append(_ source: RecordSource, bucket: Bucket) {
        items.append(Item(source: source, bucket: bucket))
    }

    @inline(__always)
    mutating func place(_ number: Int, at location: Location) { items[number].location = location }

    func demand(_ shape: IndexShape, _ log: Log) -> Demand {
        var demand = Demand()
        for item in items {
            let units = log.room(for: item.source)
            demand.units += units
            demand.longest = max(demand.longest, units)
            if !item.source.kind.isFound { demand.removals += 1 }
            demand.shards.insert(shape.shard(of: item.source.hash))
        }
        return demand
    }

    /// Changes the order: those that satisfy the condition, then the others.
    mutating func putFirst(where isFirst: (RecordSource) -> Bool) {
        items = items.filter { isFirst($0.source) } + items.filter { !isFirst($0.source) }
    }

    /// Leaves out the records that are unwanted.
    mutating func remove(where isUnwanted: [Bool]) {
        items = zip(items, isUnwanted).filter { !$0.1 }.map(\.0)
    }

    /// Leaves the last entry of each key: two records of one key in a batch would make the order
    /// of publishing matter. O(n), and the keys are looked at only where two hashes are equal.
    mutating func keepLastOfEachKey() {
        // Open addressing, at most half full: entries by their hashes, counted from 1.
        var table = [UInt32](
            repeating: 0, count: 1 << (Int.bitWidth - count.leadingZeroBitCount + 1))
        let mask = table.count - 1
        var isSuperseded: [Bool] = []
        for (number, item) in items.enumerated() {
            let source = item.source
            // The low bits of a hash choose its shard, so that they are the least mixed ones.
            var place = Int(truncatingIfNeeded: source.hash.rawValue &>> 16) & mask
            while table[place] != 0 {
                let other = Int(table[place]) &- 1
                if self[other].hash == source.hash, self[other].key.hasSame(as: source.key) {
                    if isSuperseded.isEmpty { isSuperseded = Array(repeating: false, count: count) }
                    isSuperseded[other] = true
                    break
                }
                place = (place &+ 1) & mask
            }
            table[place] = UInt32(truncatingIfNeeded: number &+ 1)
        }
        if !isSuperseded.isEmpty { remove(where: isSuperseded) }
    }
}

extension WriteBatch.Entry {
    @inline(__always)
    func key(in bytes: ByteView) -> ByteView {
        bytes.slice(keyStart..<(keyStart &+ Int(keyLength)))
    }

    @inline(__always)
    func value(in bytes: ByteView) -> ByteView {
        let start = keyStart &+ Int(keyLength)
        return bytes.slice(start..<(start &+ valueLength))
    }
}

/// The tables of a batch as they are when it is written.
struct BatchTables {
    let unnamed: TableState
    /// By their numbers in the batch; nil for one that is not there.
    var named: [TableState?] = []
    /// Names of those that are not there.
    var absent: [[UInt8]] = []
    /// Those that were made for it, by their names.
    var made: [[UInt8]: TableState] = [:]

    /// The key of an entry; nil where its table is not there.
    @inline(__always)
    func key(_ key: ByteView, of entry: WriteBatch.Entry) -> TableKey? {
        if entry.table == 0 { return unnamed.key(key) }
        return named[Int(entry.table) - 1]?.key(key)
    }

    /// Whether all of them still are. A shard is locked.
    func areCurrent(_ tables: Tables) -> Bool {
        named.isEmpty
            || named.allSatisfy { $0.map { tables.isCurrent($0.ref) } ?? true }
                && absent.allSatisfy { tables.named($0) == nil }
    }
}
