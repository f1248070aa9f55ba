import Testing

@testable import PmemKV

/// The bits that docs/format.md gives, and which bucket they lead to.
@Suite("Index words")
struct IndexWordTests {
    @Test func slotsHaveTheirBits() {
        let hash = KeyHash(rawValue: 0xABCD_EF12_3456_789A)
        let item = IndexSlot(hash: hash, location: Location(units: (1 << 39) - 1))
        #expect(item.rawValue == 0xABCD_EF7F_FFFF_FFFF)
        #expect(item.isItem && item.link == nil && item.matches(hash))
        #expect(item.location.units == (1 << 39) - 1)
        #expect(!item.matches(KeyHash(rawValue: hash.rawValue ^ 1 << 40)))
        #expect(item.matches(KeyHash(rawValue: hash.rawValue ^ 1 << 39)))
        let link = IndexSlot(linkTo: 5)
        #expect(link.rawValue == 1 << 39 | 5)
        #expect(!link.isItem && link.link == 5 && !link.matches(KeyHash(rawValue: 0)))
        #expect(IndexSlot.empty.rawValue == 0 && !IndexSlot.empty.isItem)
    }

    @Test func shardWordsHaveTheirBits() {
        let word = ShardWord(level: 9, split: 511, version: 0x1FF_FFFF)
        #expect(word.rawValue == 9 | 511 << 6 | 0x1FF_FFFF << 38)
        #expect(word.buckets == 1023 && !word.isPublishing)
        // The last split of a level begins the next; the version starts again behind its end.
        #expect(word.nextSplit == ShardWord(level: 10, split: 0, version: 0))
        let marked = word.publishing
        #expect(marked.isPublishing && marked.rawValue == word.rawValue | 1 << 63)
        #expect(marked.nextSplit.isPublishing)
        #expect(marked.published == word.nextVersion && marked.published != word)
    }

    @Test func freeBucketsCountFromOne() {
        #expect(FreeBucketLink(rawValue: 0).bucket == nil)
        #expect(FreeBucketLink(to: 0).rawValue == 1 && FreeBucketLink(to: 6).bucket == 6)
        #expect(FreeBucketLink(rawValue: .max).bucket == .max)
    }

    /// As a shard grows an item stays where it is, or moves to the bucket that is being split off,
    /// and its slot alone tells which.
    @Test func aSlotTellsItsBucket() {
        let shape = IndexShape(baseBits: 5, shardBits: 2)
        for number in 0..<2000 {
            let hash = withUnsafeBytes(of: UInt64(number)) { KeyHash(of: ByteView($0), seed: 9) }
            let slot = IndexSlot(hash: hash, location: Location(units: 1))
            let shard = shape.shard(of: hash)
            #expect(shard.rawValue == Int(hash.rawValue & 3))
            var word = ShardWord(level: shape.lowestLevel, split: 0, version: 0)
            var bucket = shape.bucket(of: hash, word)
            #expect(bucket == Int(hash.rawValue & 31))
            for _ in 0..<300 {
                let source = shape.bucket(word.split, of: shard)
                let target = shape.bucket(word.buckets, of: shard)
                let moves = bucket == source && shape.moves(slot, inSplitOf: word)
                word = word.nextSplit
                let next = shape.bucket(of: hash, word)
                #expect(next == (moves ? target : bucket))
                bucket = next
            }
        }
    }

    @Test func impossibleShapesAreNone() {
        #expect(IndexShape(baseBits: 12, shards: 256) != nil)
        for (bits, shards) in [(0, 1), (13, 1), (12, 0), (12, 3), (12, 512), (2, 8), (.max, 1)] {
            #expect(IndexShape(baseBits: UInt64(bits), shards: UInt64(shards)) == nil)
        }
    }
}
