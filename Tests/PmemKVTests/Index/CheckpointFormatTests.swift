import Testing

@testable import PmemKV

@Suite("Checkpoint format")
struct CheckpointFormatTests {
    private static let salt: UInt64 = 77
    private static let segmentCount = 5
    private static let keys = 9000

    private func hash(_ number: Int) -> KeyHash {
        withUnsafeBytes(of: UInt64(number)) { KeyHash(of: ByteView($0), seed: 42) }
    }

    private func location(_ number: Int) -> Location { Location(units: UInt64(number) + 1000) }

    /// An index with overflow buckets in use and others that were given back.
    private func makeIndex() throws -> HashIndex {
        let index = try HashIndex(
            shape: HashIndex.shape(maximumKeys: 20_000), seed: 42, maximumKeys: 20_000)
        for number in 0..<Self.keys { try index.insert(hash(number), location(number)) }
        return index
    }

    private func coverage(_ number: Int) -> ExtentCoverage {
        ExtentCoverage(
            generation: UInt32(number + 3), covered: Units(100 + number), live: Units(90),
            tombstones: Units(number), oldestDead: number == 0 ? .none : SequenceNumber(7))
    }

    private static let tables = [3, 0, 1_000_000]

    private func encode(_ index: HashIndex) -> [UInt8] {
        let draft = CheckpointDraft(
            index.image(), coverage: (0..<Self.segmentCount).map(coverage), tables: Self.tables,
            nextSequence: SequenceNumber(123_456), salt: Self.salt)
        let layout = index.checkpointLayout(
            segmentCount: Self.segmentCount, tables: Self.tables.count)
        var bytes = [UInt8](repeating: 0xEE, count: layout.length)
        draft.forEachPart { part, offset in
            bytes.replaceSubrange(offset..<(offset + part.count), with: part.array)
        }
        return bytes
    }

    private func withView<R>(_ bytes: [UInt8], _ body: (CheckpointView?) -> R) -> R {
        bytes.withByteView {
            body(CheckpointView($0, salt: Self.salt, segmentCount: Self.segmentCount))
        }
    }

    private func load(
        _ bytes: [UInt8], maximumKeys: Int = 20_000, threads: Int = 2
    ) throws -> HashIndex? {
        let head = bytes.withByteView { view -> CheckpointHead? in
            CheckpointHead.layout(
                header: view, length: view.count, segmentCount: Self.segmentCount
            ).flatMap {
                CheckpointHead(view.prefix($0.bucketsOffset), $0, salt: Self.salt)
            }
        }
        guard let head else { return nil }
        let index = try HashIndex(shape: head.shape, seed: 42, maximumKeys: maximumKeys)
        let isLoaded = try index.load(head, threads: threads) { range, body in
            bytes.withByteView { body($0.slice(range)) }
        }
        return isLoaded ? index : nil
    }

    @Test func whatIsLoadedIsWhatWasWritten() throws {
        let index = try makeIndex()
        #expect(index.shards.contains { index[$0, .freeList].loadRelaxed() != 0 })
        let bytes = encode(index)
        let loaded = try #require(try load(bytes))
        #expect(loaded.count == Self.keys)
        for number in 0..<Self.keys {
            let wanted = location(number)
            #expect(try loaded.find(hash(number)) { $0 == wanted ? true : nil } == true)
        }
        #expect(encode(loaded) == bytes)
        withView(bytes) { view in
            for number in 0..<Self.segmentCount {
                let known = view?.head.coverage(of: SegmentNumber(number))
                let wanted = coverage(number)
                #expect(known?.generation == wanted.generation)
                #expect(known?.covered == wanted.covered)
                #expect(known?.live == wanted.live)
                #expect(known?.tombstones == wanted.tombstones)
                #expect(known?.oldestDead == wanted.oldestDead)
            }
        }
        // It goes on growing from where it was, with the lists of free buckets it had.
        for number in Self.keys..<(2 * Self.keys) {
            try loaded.insert(hash(number), location(number))
        }
        #expect(loaded.count == 2 * Self.keys)
    }

    /// The positions that docs/format.md gives.
    @Test func bytesLieWhereTheFormatSays() throws {
        let index = try makeIndex()
        let bytes = encode(index)
        func word(_ offset: Int) -> UInt64 {
            bytes.withByteView { $0.load(UInt64.self, at: offset) }
        }
        #expect(bytes.prefix(8) == Array("PKCHECK1".utf8)[...])
        #expect(word(16) == UInt64(bytes.count))
        #expect(word(24) == UInt64(Self.keys))
        #expect(word(32) == UInt64(index.shards.count))
        #expect(word(40) == UInt64(index.bucketsUsed))
        #expect(word(48) == UInt64(index.overflowCount))
        #expect(word(56) == UInt64(Self.segmentCount))
        #expect(word(64) == 123_456)
        #expect(word(72) == UInt64(index.shape.baseBits))
        // Five entries of 32 bytes, up to the next line.
        #expect(word(128 + 32) == 4 | 101 << 32)
        #expect(word(128 + 32 + 16) == 1 && word(128 + 32 + 24) == 7)
        let shards = 128 + 192
        for shard in index.shards {
            let offset = shards + 24 * shard.rawValue
            #expect(word(offset) == index.word(of: shard).rawValue)
            #expect(word(offset + 8) == index[shard, .items].loadRelaxed())
            #expect(word(offset + 16) == index[shard, .freeList].loadRelaxed())
        }
        #expect(word(80) == 3)
        let tables = shards + (24 * index.shards.count + 63) / 64 * 64
        #expect((0..<3).map { word(tables + 8 * $0) } == [3, 0, 1_000_000])
        let buckets = tables + 64
        for bucket in 0..<index.bucketsUsed {
            #expect(word(buckets + 64 * bucket + 8) == index.buckets[bucket][1].load().rawValue)
        }
        #expect(bytes.count == buckets + 64 * (index.bucketsUsed + index.overflowCount))
    }

    @Test func noByteMayChange() throws {
        let bytes = encode(try makeIndex())
        #expect(withView(bytes) { $0 != nil })
        #expect(withView(bytes.dropLast(64)) { $0 == nil })
        #expect(withView(bytes + bytes.prefix(64)) { $0 == nil })
        for offset in Array(0..<600) + [bytes.count - 1] {
            var damaged = bytes
            damaged[offset] ^= 4
            #expect(withView(damaged) { $0 == nil }, "byte \(offset)")
        }
        // An opening reads it in pieces, and sees the same.
        #expect(try load(bytes) != nil)
        for offset in stride(from: 0, to: bytes.count, by: bytes.count / 60) {
            var damaged = bytes
            damaged[offset] ^= 4
            #expect(try load(damaged) == nil, "byte \(offset)")
        }
        bytes.withByteView {
            let other = Self.salt + 1
            #expect(CheckpointView($0, salt: other, segmentCount: Self.segmentCount) == nil)
            #expect(CheckpointView($0, salt: Self.salt, segmentCount: 4) == nil)
            // From before the pool grew.
            #expect(CheckpointView($0, salt: Self.salt, segmentCount: 6) != nil)
        }
    }

    /// What somebody wrote with a good checksum may still be nonsense.
    @Test func contradictionsAreNoticed() throws {
        let shard = ShardNumber(1)
        func isAccepted(_ change: (HashIndex) -> Void) throws -> Bool {
            let index = try makeIndex()
            change(index)
            return try load(encode(index)) != nil
        }
        /// The first bucket that overflowed.
        func chained(_ index: HashIndex) -> Bucket {
            (0..<index.bucketsUsed).lazy.map { index.buckets[$0] }.first { $0.link != nil }!
        }
        #expect(try isAccepted { _ in })
        let wrong: [(HashIndex) -> Void] = [
            { $0[shard, .items].addAsOnlyWriter(1) },
            { $0.store($0.word(of: shard).publishing, of: shard) },
            { $0.store(ShardWord(level: 0, split: 0, version: 1), of: shard) },
            { chained($0)[BucketLayout.linkSlot].store(IndexSlot(linkTo: $0.overflowCount)) },
            { index in
                let bucket = chained(index)
                index.overflow[bucket.link!][BucketLayout.linkSlot].store(
                    IndexSlot(linkTo: bucket.link!))
            },
            { chained($0)[2].store(IndexSlot(linkTo: 0)) },
            { $0[shard, .freeList].storeRelaxed(.max) },
            { index in
                let link = FreeBucketLink(to: chained(index).link!)
                index[shard, .freeList].storeRelaxed(link.rawValue)
            },
        ]
        for (number, change) in wrong.enumerated() {
            #expect(try !isAccepted(change), "change \(number)")
        }
        let bytes = encode(try makeIndex())
        #expect(try load(bytes, maximumKeys: 100) == nil, "more buckets than there may be")
    }
}
