import CPmem
import Testing

@testable import PmemKV

@Suite("Words of the segment table")
struct SegmentWordTests {
    /// The check is a truncated CRC: which bit flips it notices depends on nothing but their
    /// positions, so trying all of them once is a proof.
    @Test func lifeWordNoticesEverySingleAndDoubleFlip() {
        let word = LifeWord(
            poolID: 0x1234_5678_9ABC_DEF0, segment: SegmentNumber(77), generation: 9, span: 3,
            state: .log)
        #expect(word.isValid(poolID: 0x1234_5678_9ABC_DEF0, segment: SegmentNumber(77)))
        for first in 0..<64 {
            for second in first..<64 {
                let flipped = LifeWord(
                    rawValue: word.rawValue ^ (1 << first) ^ (first == second ? 0 : 1 << second))
                #expect(!flipped.isValid(poolID: 0x1234_5678_9ABC_DEF0, segment: SegmentNumber(77)))
            }
        }
    }

    /// A free segment is one segment, or opening and checking would go on from different lines.
    @Test func freeLivesHaveNoSpan() {
        let segment = SegmentNumber(3)
        let long = LifeWord(poolID: 5, segment: segment, generation: 2, span: 2, state: .free)
        #expect(!long.isValid(poolID: 5, segment: segment))
    }

    @Test func wordsBelongToOnePlaceAndOneLife() {
        let word = LifeWord(
            poolID: 5, segment: SegmentNumber(1), generation: 2, span: 1, state: .free)
        #expect(!word.isValid(poolID: 5, segment: SegmentNumber(2)))
        #expect(!word.isValid(poolID: 6, segment: SegmentNumber(1)))
        #expect(!LifeWord(rawValue: 0).isValid(poolID: 5, segment: SegmentNumber(0)))
        let seal = SealWord(salt: 17, end: Units(100))
        #expect(seal.isValid(salt: 17))
        #expect(!seal.isValid(salt: 18))
        #expect(!SealWord(rawValue: seal.rawValue + (1 << 32)).isValid(salt: 17))
    }

    @Test func geometryRejectsTheImpossible() throws {
        let good = try Geometry(poolSize: 1 << 20, segmentSize: 4096)
        let size = good.size(of: 1 << 20)
        #expect(size.segments > 240 && good.bytes(ofSegments: size.segments) <= 1 << 20)
        #expect(throws: StoreError.self) { try Geometry(poolSize: 1 << 20, segmentSize: 3000) }
        #expect(throws: StoreError.self) { try Geometry(poolSize: 1 << 20, segmentSize: 1 << 20) }
        let block = Superblock(
            creating: good, size: size, poolID: 1, created: 0, isIncomplete: false)
        #expect(Geometry(block, mediumSize: 1 << 20) == good)
        #expect(Geometry(block, mediumSize: (1 << 20) - 1) == nil)
        for hostile in [UInt64.max, 1 << 63, 0, 63] {
            var changed = block
            changed.raw.segment_size = hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
            changed = block
            changed.raw.segment_count = hostile == 63 ? 1 << 40 : hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
            changed = block
            changed.raw.data_offset = hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
            guard hostile != 0 else { continue }
            changed = block
            changed.raw.segment_limit = hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
        }
    }
}
