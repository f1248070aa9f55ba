/// The entries of a batch on their way to the log: those that are to be written, in order, with
/// their hashes. A record is put together from them when it is asked for.
struct BatchSources {
    private let entries: [WriteBatch.Entry]
    private let bytes: ByteView
    private let hashes: [KeyHash]
    /// The entries that are to be written; nil for all of them.
    private var chosen: [Int]?

    /// What a batch needs.
    struct Demand {
        var units = Units.zero
        /// Of the longest record.
        var longest = Units.zero
        var removals = 0
        var shards = ShardSet()
    }

    /// - Parameter hashes: one for each entry.
    init(_ batch: WriteBatch, in bytes: ByteView, hashes: [KeyHash]) {
        entries = batch.entries
        self.bytes = bytes
        self.hashes = hashes
    }

    @inline(__always)
    var count: Int { chosen?.count ?? entries.count }

    @inline(__always)
    private func entry(_ number: Int) -> Int { chosen?[number] ?? number }

    @inline(__always)
    func hash(_ number: Int) -> KeyHash { hashes[entry(number)] }

    @inline(__always)
    subscript(number: Int) -> RecordSource {
        let number = entry(number)
        let entry = entries[number]
        return RecordSource(
            kind: entry.kind, hash: hashes[number], key: entry.key(in: bytes),
            value: entry.value(in: bytes))
    }

    func demand(_ shape: IndexShape, _ log: Log) -> Demand {
        var demand = Demand()
        for number in 0..<count {
            let source = self[number]
            let units = log.room(for: source)
            demand.units += units
            demand.longest = max(demand.longest, units)
            if !source.kind.isFound { demand.removals += 1 }
            demand.shards.insert(shape.shard(of: source.hash))
        }
        return demand
    }

    func map<R>(_ transform: (RecordSource) -> R) -> [R] {
        (0..<count).map { transform(self[$0]) }
    }

    /// Changes the order: those that satisfy the condition, then the others.
    mutating func putFirst(where isFirst: (RecordSource) -> Bool) {
        let (first, others) = (0..<count).reduce(into: ([Int](), [Int]())) { parts, number in
            if isFirst(self[number]) {
                parts.0.append(entry(number))
            } else {
                parts.1.append(entry(number))
            }
        }
        chosen = first + others
    }

    /// Leaves out the records that are unwanted.
    mutating func remove(where isUnwanted: [Bool]) {
        chosen = (0..<count).filter { !isUnwanted[$0] }.map(entry)
    }

    /// Leaves the last entry of each key: two records of one key in a batch would make the order
    /// of publishing matter. O(n), and the keys are looked at only where two hashes are equal.
    mutating func keepLastOfEachKey() {
        // Open addressing, at most half full: entries by their hashes, counted from 1.
        var table = [UInt32](
            repeating: 0, count: 1 << (Int.bitWidth - count.leadingZeroBitCount + 1))
        let mask = table.count - 1
        var isSuperseded: [Bool] = []
        for number in 0..<count {
            // The low bits of a hash choose its shard, so that they are the least mixed ones.
            var place = Int(truncatingIfNeeded: hashes[number].rawValue &>> 16) & mask
            while table[place] != 0 {
                let other = Int(table[place]) &- 1
                if hashes[other] == hashes[number],
                    entries[other].key(in: bytes).hasSameBytes(as: entries[number].key(in: bytes))
                {
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
    func key(in bytes: ByteView) -> ByteView { bytes.slice(keyStart..<(keyStart &+ keyLength)) }

    @inline(__always)
    func value(in bytes: ByteView) -> ByteView {
        let start = keyStart &+ keyLength
        return bytes.slice(start..<(start &+ valueLength))
    }
}
