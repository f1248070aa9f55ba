import PmemKV

/// The operations that are measured, on 16-byte keys and 200-byte values.
///
/// Keys have numbers. The store holds those from 0 to population - 1 and, once they were put, those
/// from ``newKeys`` and ``relaxedKeys`` on.
struct Operations {
    private static let newKeys = 1 << 40
    private static let relaxedKeys = 1 << 41
    private static let missingKeys = 1 << 42
    private static let orderedKeys = 1 << 43
    private static let batchSize = 8
    private static let scanLength = 100
    private static let readLength = 1024
    /// What a record takes.
    private static let recordBytes = 256
    /// Those of the ordered index.
    static let ordered = [
        "ordered-open", "scan100", "readseq", "scan-stale", "ordered-put", "ordered-remove",
        "compact-ordered",
    ]

    private let store: PmemStore
    /// A power of two.
    private let population: Int
    private let keyBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16)
    private let valueBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 200, alignment: 16)

    init(store: PmemStore, population: Int) {
        self.store = store
        self.population = population
        for i in valueBytes.indices { valueBytes[i] = UInt8(truncatingIfNeeded: i) }
    }

    func populate() throws {
        for i in 0..<population { try store.put(value(i), forKey: key(i)) }
    }

    func runWrites(_ meter: Meter) throws {
        try meter.measure("put") { i in
            try store.put(value(i), forKey: key(Self.newKeys + i))
        }
        try meter.measure("overwrite") { i in
            try store.put(value(i), forKey: key(someNumber(i)))
        }
        try meter.measure("relaxed-put") { i in
            try store.put(value(i), forKey: key(Self.relaxedKeys + i), durability: .relaxed)
        }
        try store.sync()
        var batch = WriteBatch()
        try meter.measure("batch8", share: Self.batchSize) { i in
            batch.removeAll()
            for j in 0..<Self.batchSize {
                batch.put(value(i), forKey: key(someNumber(i &* Self.batchSize &+ j)))
            }
            try store.apply(batch)
        }
    }

    func runReads(_ meter: Meter) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 16)
        defer { buffer.deallocate() }
        try meter.measure("get") { i in
            let length = try store.get(key(someNumber(i)), into: buffer)
            precondition(length == valueBytes.count, "a value has another length")
        }
        try meter.measure("get-array") { i in
            let value = try store.get(key(someNumber(i)))
            precondition(value?.count == valueBytes.count, "a value has another length")
        }
        try meter.measure("get-miss") { i in
            let length = try store.get(key(Self.missingKeys + i), into: buffer)
            precondition(length == nil, "a key that was never put is there")
        }
    }

    func runRemoves(_ meter: Meter) throws {
        try meter.measure("delete") { i in
            // An odd factor makes this a permutation: no number comes twice.
            let number = (i &* 0x9E37_79B1) & (population - 1)
            let wasThere = try store.remove(key(number))
            precondition(wasThere, "a key that was put is not there")
        }
    }

    /// With the ordered index. A readseq is an entry of a long scan.
    func runOrdered(_ meter: Meter) throws {
        try meter.measure("scan100", share: 64) { try scan($0, limit: Self.scanLength) }
        try meter.measure("readseq", share: Self.readLength, weight: Self.readLength) {
            try scan($0, limit: Self.readLength)
        }
        // The first scan behind overwrites, for each of them.
        let died = population / 4
        try meter.measureTurns("scan-stale") { turn in
            try overwrite(died, turn: turn)
        } _: { _ in
            try scan(0, limit: population / 4)
            return died / 4
        }
        let put = { i in try store.put(value(i), forKey: key(Self.orderedKeys + i)) }
        try meter.measure("ordered-put", put)
        // Nothing is put twice by that: where it was measured they are there.
        if meter.wants("ordered-remove"), try store.get(key(Self.orderedKeys)) == nil {
            for i in 0..<population { try put(i) }
        }
        try meter.measure("ordered-remove") { i in
            let wasThere = try store.remove(key(Self.orderedKeys + i))
            precondition(wasThere, "a key that was put is not there")
        }
    }

    /// From a place in the lower half of all keys, so that enough of them follow.
    private func scan(_ number: Int, limit: Int) throws {
        var from = [UInt8](key(Self.missingKeys + number))
        from[0] &= 0x7F
        var seen = 0
        var sum = 0
        try store.scan(KeyRange(from: from), limit: limit) { key, value in
            seen += 1
            sum &+= key.byteCount &+ Int(value.unsafeLoad(as: UInt8.self))
            return true
        }
        precondition(seen == limit && sum > 0, "a scan found too few keys")
    }

    /// Compaction of a pool a part of which has died, for each record that it copies.
    func runCompaction(_ meter: Meter, as name: String) throws {
        let died = population / 4
        try meter.measureTurns(name) { turn in
            try overwrite(died, turn: turn)
        } _: { _ in
            let before = store.statistics.compactedBytes
            try store.compact()
            return (store.statistics.compactedBytes - before) / Self.recordBytes
        }
    }

    private func overwrite(_ count: Int, turn: Int) throws {
        for i in (turn * count)..<((turn + 1) * count) {
            try store.put(value(i), forKey: key(someNumber(i)))
        }
    }

    /// The number of one of the keys that were there at the beginning.
    @inline(__always)
    private func someNumber(_ i: Int) -> Int {
        Int(truncatingIfNeeded: mix(UInt64(truncatingIfNeeded: i))) & (population - 1)
    }

    /// The bytes of a key, until the next call.
    @inline(__always)
    private func key(_ number: Int) -> UnsafeRawBufferPointer {
        let word = UInt64(truncatingIfNeeded: number)
        keyBytes.storeBytes(of: mix(word), as: UInt64.self)
        keyBytes.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
        return UnsafeRawBufferPointer(keyBytes)
    }

    /// The bytes of a value, until the next call.
    @inline(__always)
    private func value(_ number: Int) -> UnsafeRawBufferPointer {
        valueBytes.storeBytes(of: number, toByteOffset: 96, as: Int.self)
        return UnsafeRawBufferPointer(valueBytes)
    }

    /// A one-to-one mapping of words in which neighbours have nothing in common (SplitMix64's).
    @inline(__always)
    private func mix(_ word: UInt64) -> UInt64 {
        var z = word &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
