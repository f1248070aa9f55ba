import CPmem
import Testing

@testable import PmemKV

@Suite("Words of the segment table")
struct SegmentWordTests {
    /// The check is a truncated CRC: which bit flips it notices depends on nothing but their
    /// positions, so trying all of them once is a proof.
    @Test func lifeWordNoticesEverySingleAndDoubleFlip() {
        let word = LifeWord(
            poolID: 0x1234_5678_9ABC_DEF0, segment: 77, generation: 9, span: 3, state: .log)
        #expect(word.isValid(poolID: 0x1234_5678_9ABC_DEF0, segment: 77))
        for first in 0..<64 {
            for second in first..<64 {
                let flipped = LifeWord(
                    rawValue: word.rawValue ^ (1 << first) ^ (first == second ? 0 : 1 << second))
                #expect(!flipped.isValid(poolID: 0x1234_5678_9ABC_DEF0, segment: 77))
            }
        }
    }

    @Test func wordsBelongToOnePlaceAndOneLife() {
        let word = LifeWord(poolID: 5, segment: 1, generation: 2, span: 1, state: .free)
        #expect(!word.isValid(poolID: 5, segment: 2))
        #expect(!word.isValid(poolID: 6, segment: 1))
        #expect(!LifeWord(rawValue: 0).isValid(poolID: 5, segment: 0))
        let seal = SealWord(salt: 17, endUnits: 100)
        #expect(seal.isValid(salt: 17))
        #expect(!seal.isValid(salt: 18))
        #expect(!SealWord(rawValue: seal.rawValue + (1 << 32)).isValid(salt: 17))
    }

    @Test func geometryRejectsTheImpossible() throws {
        let good = try Geometry(poolSize: 1 << 20, segmentSize: 4096)
        #expect(good.segmentCount * 4096 + good.dataOffset <= 1 << 20)
        #expect(throws: StoreError.self) { try Geometry(poolSize: 1 << 20, segmentSize: 3000) }
        #expect(throws: StoreError.self) { try Geometry(poolSize: 1 << 20, segmentSize: 1 << 20) }
        var block = cpmem_superblock()
        block.pool_size = 1 << 20
        block.segment_size = 4096
        block.segment_count = UInt64(good.segmentCount)
        block.table_offset = 8192
        block.data_offset = UInt64(good.dataOffset)
        #expect(Geometry(block, mediumSize: 1 << 20) == good)
        #expect(Geometry(block, mediumSize: (1 << 20) - 1) == nil)
        for hostile in [UInt64.max, 1 << 63, 0, 63] {
            var changed = block
            changed.segment_size = hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
            changed = block
            changed.segment_count = hostile == 63 ? 1 << 40 : hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
            changed = block
            changed.data_offset = hostile
            #expect(Geometry(changed, mediumSize: 1 << 20) == nil)
        }
    }
}
