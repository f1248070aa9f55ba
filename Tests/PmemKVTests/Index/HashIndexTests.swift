import CPmem
import Foundation
import Testing

@testable import PmemKV

@Suite("Hash index")
struct HashIndexTests {
    private func makeIndex(_ maximum: Int) throws -> HashIndex {
        try HashIndex(
            shape: HashIndex.shape(maximumKeys: maximum), seed: 42, maximumKeys: maximum)
    }

    private func hash(_ number: Int) -> KeyHash {
        withUnsafeBytes(of: UInt64(number)) { KeyHash(of: ByteView($0), seed: 42) }
    }

    private func location(_ number: Int) -> Location { Location(units: UInt64(number) + 1000) }

    /// Inserts, replacements and removals against a dictionary, through several doublings.
    @Test func followsADictionary() throws {
        let index = try makeIndex(60_000)
        var model: [Int: Int] = [:]
        var random = SystemRandomNumberGenerator()
        for round in 0..<200_000 {
            let number = Int.random(in: 0..<50_000, using: &random)
            let h = hash(number)
            index.lock(of: h).lock()
            defer { index.lock(of: h).unlock() }
            let found = try index.locate(h) { $0.units / 100_000 == UInt64(number) ? $0 : nil }
            #expect((found != nil) == (model[number] != nil))
            let place = Location(units: UInt64(number) * 100_000 + UInt64(round % 100_000))
            guard number > 0 else { continue }
            if let found {
                #expect(found.found.units == UInt64(model[number]!))
                if round % 3 == 0 {
                    index.remove(found.place, of: h)
                    model[number] = nil
                } else {
                    index.replace(found.place, of: h, by: place)
                    model[number] = Int(place.units)
                }
            } else {
                try index.insert(h, place)
                model[number] = Int(place.units)
            }
        }
        #expect(index.count == model.count)
        for (number, units) in model {
            let found = try index.find(hash(number)) { $0.units == UInt64(units) ? true : nil }
            #expect(found == true)
        }
        var met = 0
        index.forEachLocation { _ in met += 1 }
        #expect(met == model.count)
    }

    /// Compaction looks for an item without a lock, and moves it some hundred records later: by
    /// then a split may have moved the item elsewhere, or a writer may have replaced it.
    @Test func movesItemsThatWereSeenElsewhere() throws {
        let index = try makeIndex(60_000)
        for number in 0..<100 { try index.insert(hash(number), location(number)) }
        let seen = try (0..<100).map {
            try #require(index.placeSeen(of: hash($0), holding: location($0)))
        }
        for number in 100..<60_000 { try index.insert(hash(number), location(number)) }
        let new = Location(units: 7)
        var stayed = 0
        for number in 0..<100 {
            let (h, old) = (hash(number), location(number))
            if seen[number].load() == IndexSlot(hash: h, location: old) { stayed += 1 }
            #expect(!index.move(h, from: new, to: old, seen: seen[number]))
            #expect(index.move(h, from: old, to: new, seen: seen[number]))
            #expect(index.placeSeen(of: h, holding: old) == nil)
            #expect(index.placeSeen(of: h, holding: new) != nil)
        }
        #expect(stayed > 0 && stayed < 100)
        #expect(index.count == 60_000)
    }

    /// Memory stays about what the design says, and growth happens a bucket at a time.
    @Test func takesAboutThirteenBytesAKey() throws {
        let index = try makeIndex(1 << 20)
        for number in 0..<400_000 { try index.insert(hash(number), location(number)) }
        let bytes = Double(index.memoryBytes) / 400_000
        #expect(bytes > 8 && bytes < 16, "\(bytes) bytes a key")
    }

    /// An index that was made large at once holds what one that grew holds, in as much memory, and
    /// grows on; one that cannot be so large stays as it is.
    @Test(arguments: [100, 5_000, 100_000, 399_000, 4_000_000])
    func mayBeMadeLargeAtOnce(expected: Int) throws {
        let grown = try makeIndex(1 << 20)
        let index = try makeIndex(1 << 20)
        try index.grow(to: expected)
        for number in 0..<400_000 {
            try grown.insert(hash(number), location(number))
            try index.insert(hash(number), location(number))
        }
        for number in 0..<400_000 {
            let found = try index.find(hash(number)) { $0 == location(number) ? true : nil }
            #expect(found == true)
        }
        #expect(index.count == 400_000)
        if expected < 400_000 {
            #expect(index.memoryBytes <= grown.memoryBytes * 102 / 100)
        }
    }

    /// Where hashes are spread unevenly one shard has grown already. The others, which came behind
    /// it, then stayed small, and an open that knew how many keys there are split their buckets one
    /// by one after all.
    @Test func oneLargeShardKeepsNoOtherFromGrowing() throws {
        let expected = 50_000
        let (index, even) = (try makeIndex(60_000), try makeIndex(60_000))
        let large = [index.shards.lowerBound, index.shards.upperBound.advanced(by: -1)]
        let small = index.shards.lowerBound.advanced(by: 1)
        let numbers = (0..<100_000).filter { large.contains(index.shape.shard(of: hash($0))) }
        for number in numbers { try index.insert(hash(number), location(number)) }
        try even.grow(to: expected)
        let wanted = even.word(of: small).buckets
        #expect(large.allSatisfy { index.word(of: $0).buckets > wanted })
        #expect(index.word(of: small).buckets < wanted)

        try index.grow(to: expected)
        #expect(index.shards.allSatisfy { index.word(of: $0).buckets >= wanted })
        for number in numbers {
            let found = try index.find(hash(number)) { $0 == location(number) ? true : nil }
            #expect(found == true)
        }
    }

    /// An index that is filled part by part, by several threads, holds what one that grew holds, in
    /// as much memory, whatever it was expected to hold; without what is left out again.
    @Test(arguments: [(0, 0), (0, 390_000), (50_000, 390_000), (300_000, 390_000)])
    func mayBeFilledByParts(known: Int, expected: Int) throws {
        let keys = 400_000
        let grown = try makeIndex(1 << 20)
        let index = try makeIndex(1 << 20)
        for number in 0..<keys { try grown.insert(hash(number), location(number)) }
        for number in 0..<known { try index.insert(hash(number), location(number)) }
        try index.grow(to: expected)
        let (bits, shape) = (index.partBits, index.shape)
        #expect(expected == 0 || bits > 1)
        let filled = try inParallel(1 << bits, threads: 4) { part throws(StoreError) in
            var items = [Int](repeating: 0, count: shape.shards.count)
            for number in known..<keys {
                let hash = self.hash(number)
                guard shape.part(of: hash, bits: bits) == part else { continue }
                if !index.fillQuickly(hash, self.location(number)) {
                    try index.fill(hash, self.location(number))
                }
                items[shape.shard(of: hash).rawValue] += 1
            }
            return items
        }
        _ = try inParallel(shape.shards.count, threads: 4) { number throws(StoreError) in
            let shard = ShardNumber(number)
            let first = self.hash(keys - 1)
            _ = try index.settle(
                shard, filled: filled.reduce(0) { $0 + $1[number] },
                leavingOut: shape.shard(of: first) == shard
                    ? [(first, self.location(keys - 1))] : [])
        }
        #expect(index.count == keys - 1)
        for number in 0..<keys {
            let found = try index.find(hash(number)) { $0 == location(number) ? true : nil }
            #expect(found == (number < keys - 1 ? true : nil))
        }
        for shard in index.shards {
            #expect(!index.isFull(index.word(of: shard), items: index[shard, .items].loadRelaxed()))
        }
        // Splitting what was full for long leaves overflow buckets behind.
        #expect(expected == 0 || index.memoryBytes <= grown.memoryBytes * 104 / 100)
    }

    /// A bucket that had once overflowed kept its overflow bucket for good. In a store that was
    /// full and stayed so, while keys came and went, all buckets had overflowed in the end: the
    /// index ran out of overflow buckets, and the store took no writes any more.
    ///
    /// PMEMKV_CHURN_OPERATIONS says how many keys come and go.
    @Test func churnTakesNoMoreOverflowBuckets() throws {
        let operations =
            ProcessInfo.processInfo.environment["PMEMKV_CHURN_OPERATIONS"].flatMap { Int($0) }
            ?? 1_000_000
        let keys = 20_000
        let index = try HashIndex(
            shape: IndexShape(baseBits: 4, shardBits: 1), seed: 42, maximumKeys: keys)
        for number in 0..<keys { try index.insert(hash(number), location(number)) }
        for number in keys..<(keys + operations) {
            let oldest = hash(number - keys)
            let place = try #require(index.place(of: oldest, holding: location(number - keys)))
            index.remove(place, of: oldest)
            try index.insert(hash(number), location(number))
        }
        #expect(index.count == keys)
        for number in operations..<(keys + operations) {
            #expect(index.place(of: hash(number), holding: location(number)) != nil)
        }
        // Of the buckets in use each overflow bucket has more than seven items in its chain. What
        // was ever taken goes beyond what is in use, since a shard keeps what it had at its peak.
        #expect(index.overflowInUse <= keys / 7)
        #expect(index.overflowCount <= keys / 7)
    }

    /// Buckets that one shard had given back were no other's: where keys of one shard had come and
    /// gone, then those of the next, the index ran out of them, and a pool with its checkpoint
    /// could not be opened any more.
    @Test func whatOneShardGaveBackAnotherTakes() throws {
        let keys = 20_000
        let index = try HashIndex(
            shape: IndexShape(baseBits: 4, shardBits: 3), seed: 42, maximumKeys: keys)
        for shard in index.shards {
            let own = (0..<(keys * 16)).filter { index.shape.shard(of: hash($0)) == shard }
                .prefix(keys)
            for number in own { try index.insert(hash(number), location(number)) }
            for number in own {
                let place = try #require(index.place(of: hash(number), holding: location(number)))
                index.remove(place, of: hash(number))
            }
        }
        #expect(index.count == 0 && index.overflowInUse == 0)
    }

    /// While another thread inserts and splits buckets, keys that were there are always found.
    @Test func readersMissNothingWhileBucketsSplit() throws {
        let index = try makeIndex(1 << 20)
        for number in 0..<2000 { try index.insert(hash(number), location(number)) }
        let misses = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
        defer { misses.deallocate() }
        misses.initializeMemory(as: UInt64.self, repeating: 0, count: 2)
        nonisolated(unsafe) let shared = misses
        onThreads(2) { thread in
            if thread == 0 {
                for number in 2000..<300_000 {
                    let h = hash(number)
                    index.lock(of: h).lock()
                    try? index.insert(h, location(number))
                    index.lock(of: h).unlock()
                }
                cpmem_store_release(shared + 8, 1)
                return
            }
            while cpmem_load_acquire(shared + 8) == 0 {
                for number in stride(from: 0, to: 2000, by: 7) {
                    let wanted = location(number)
                    let found = try? index.find(hash(number)) { $0 == wanted ? true : nil }
                    if found != true { _ = cpmem_fetch_add(shared, 1) }
                }
            }
        }
        #expect(cpmem_load_acquire(misses) == 0)
    }
}

extension HashIndex {
    /// Overflow buckets that a chain leads to.
    fileprivate var overflowInUse: Int {
        shards.reduce(0) { sum, shard in
            (0..<word(of: shard).buckets).reduce(sum) { sum, local in
                var links = 0
                var bucket = buckets[shape.bucket(local, of: shard)]
                while let link = bucket.link {
                    links += 1
                    bucket = overflow[link]
                }
                return sum + links
            }
        }
    }
}
