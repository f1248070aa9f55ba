// What open refuses, check reports; and of a pool in which check finds nothing, every key gives its
// value. The two read a pool in ways of their own, so each can forget what the other looks at.

import CPmem
import PmemKV
import PmemKVTesting
import Testing

@Suite("Check reports what open refuses")
struct CheckTests {
    private static let numbers = 0..<6

    /// The sample pools, one with extents of four segments, and those of earlier programs.
    private func pool(_ number: Int) throws -> DamagedPool {
        switch number {
        case 0..<3: return DamagedPool(try SamplePool.all()[number])
        case 3:
            var shape = PoolShape()
            shape.keys = 4
            shape.segments = 12
            let script = "put 0 9\nput 1 3500\nput 2 100\nput 1 3400\ndel 2\nput 3 1"
            return DamagedPool(
                try SamplePool("long values", shape: shape, script: script, closes: true))
        default: return try DamagedPool(textNamed: FormatVersionTests.names[number - 4])
        }
    }

    private func expectNoProblem(
        _ pool: DamagedPool, trials: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        if let problem = pool.problem {
            Issue.record(Comment(rawValue: problem), sourceLocation: sourceLocation)
        }
        #expect(pool.trials >= trials, sourceLocation: sourceLocation)
    }

    @Test("A flipped bit of a superblock", arguments: numbers)
    func superblockBits(number: Int) throws {
        let pool = try pool(number)
        let isThorough = number == 4
        for copy in 0..<2 {
            let start = copy * Int(CPMEM_SUPERBLOCK_STRIDE)
            pool.flip(start..<(start + 256), stride: isThorough ? 1 : 29)
        }
        expectNoProblem(pool, trials: isThorough ? 4096 : 140)
    }

    @Test("A flipped bit of the table", arguments: numbers)
    func tableBits(number: Int) throws {
        let pool = try pool(number)
        let isThorough = number == 3
        for segment in 0..<pool.segments {
            let start = pool.offset(ofLine: segment)
            let isUsed = pool.segmentsInUse.contains(segment)
            pool.flip(start..<(start + 24), stride: isUsed ? isThorough ? 1 : 7 : 11)
            pool.flip((start + 24)..<(start + 64), stride: isUsed && isThorough ? 1 : 29)
        }
        expectNoProblem(pool, trials: pool.segments * 25)
    }

    @Test("A word of the table replaced", arguments: numbers)
    func tableWords(number: Int) throws {
        let pool = try pool(number)
        for segment in 0..<pool.segments {
            for offset in stride(from: 0, to: Int(CPMEM_LINE), by: 8) {
                let place = pool.offset(ofLine: segment) + offset
                pool.replace(place, by: 0)
                pool.replace(place, by: .max)
                for distance in [1, 3] {
                    let other = pool.offset(ofLine: (segment + distance) % pool.segments) + offset
                    pool.replace(
                        place,
                        by: pool.image.view.loadUnaligned(fromByteOffset: other, as: UInt64.self))
                }
            }
        }
        expectNoProblem(pool, trials: pool.segments * 8)
    }

    // MARK: Damage with checksums that fit

    @Test("A life word that says something else", arguments: numbers)
    func otherLives(number: Int) throws {
        let pool = try pool(number)
        for segment in 0..<pool.segments {
            let life = pool.line(segment).life
            func replace(generation: UInt32? = nil, span: Int? = nil, state: UInt8? = nil) {
                pool.replace(
                    pool.offset(ofLine: segment),
                    by: cpmem_life_word(
                        pool.block.pool_id, UInt32(segment), generation ?? UInt32(life >> 32),
                        UInt16(span ?? Int(life >> 16 & 0xFFFF)),
                        state ?? UInt8(life >> 14 & 3)),
                    .forgery)
            }
            for generation in [0, UInt32(life >> 32) + 1, .max] { replace(generation: generation) }
            let rest = pool.segments - segment
            for state: UInt8 in 0...3 {
                for span in [0, 1, 2, rest, rest + 1, 0xFFFF] { replace(span: span, state: state) }
            }
        }
        expectNoProblem(pool, trials: pool.segments * 20)
    }

    @Test("A seal or tail word that names another end", arguments: numbers)
    func otherEnds(number: Int) throws {
        let pool = try pool(number)
        let tag: UInt64 = 0x5441_494C_5441_494C
        for segment in pool.segmentsInUse {
            let line = pool.line(segment)
            let salt = cpmem_salt(
                pool.block.pool_id, UInt32(segment), UInt32(line.life >> 32))
            let segmentUnits = UInt32(pool.block.segment_size / 64)
            let capacity = UInt32(line.life >> 16 & 0xFFFF) * segmentUnits
            let end = UInt32(max(line.seal, line.tail) >> 32)
            let ends = [
                0, 1, end &- 1, end + 1, end + 2, segmentUnits, capacity - 1, capacity,
                capacity + 1, .max,
            ]
            for end in ends {
                let place = pool.offset(ofLine: segment)
                pool.replace(place + 8, by: cpmem_seal_word(salt, end), .forgedRecords)
                pool.replace(place + 16, by: cpmem_seal_word(salt ^ tag, end), .forgery)
            }
        }
        expectNoProblem(pool, trials: 50)
    }

    @Test("A superblock that says something else", arguments: numbers)
    func otherSuperblocks(number: Int) throws {
        let pool = try pool(number)
        let fields: [WritableKeyPath<cpmem_superblock, UInt64>] = [
            \.incompatible_features, \.compatible_features, \.pool_id, \.pool_size,
            \.segment_size, \.segment_count, \.table_offset, \.data_offset, \.update_counter,
            \.sequence_limit, \.checkpoint_segment, \.checkpoint_generation, \.checkpoint_length,
            \.state, \.created,
        ]
        for field in fields {
            let old = pool.block[keyPath: field]
            let values = [0, old &- 1, old &+ 1, old &* 2, old / 2, 1 << 62, 1 << 63, .max]
            for (value, copies) in values.flatMap({ [($0, [pool.newestCopy]), ($0, [0, 1])] }) {
                pool.attempt("\(field) of copies \(copies) is \(value)", .forgery) {
                    for copy in copies {
                        let place = pool.image.bytes + copy * Int(CPMEM_SUPERBLOCK_STRIDE)
                        var block = place.loadUnaligned(as: cpmem_superblock.self)
                        block[keyPath: field] = value
                        place.storeBytes(of: block, as: cpmem_superblock.self)
                        ImageRepair.repairSuperblock(place)
                    }
                }
            }
        }
        expectNoProblem(pool, trials: 240)
    }

    /// Reads of a pool with a checkpoint, and what is replayed from summaries, go where those say.
    @Test("A summary or checkpoint that says something else", arguments: 0..<3)
    func otherSummaries(number: Int) throws {
        let sample = try SamplePool.all()[number]
        let pool = DamagedPool(sample)
        for part in Self.summariesAndCheckpoints(pool) {
            for place in stride(from: part.lowerBound, to: part.upperBound, by: 8) {
                let old = pool.image.view.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                for word in [0, old &- 1, old &+ 1, old ^ 1 << 32, .max] where word != old {
                    pool.attempt("word at \(place), \(old), is \(word)", .forgedRecords) {
                        pool.image.bytes.storeBytes(
                            of: word, toByteOffset: place, as: UInt64.self)
                        ImageRepair.repair(pool.image, shape: sample.shape)
                    }
                }
            }
        }
        expectNoProblem(pool, trials: 100)
    }

    /// Where they lie in the segments in use, without magic number and checksum.
    private static func summariesAndCheckpoints(_ pool: DamagedPool) -> [Range<Int>] {
        let size = Int(pool.block.segment_size)
        return pool.segmentsInUse.flatMap { segment -> [Range<Int>] in
            let start = Int(pool.block.data_offset) + segment * size
            return stride(from: start, to: start + size, by: Int(CPMEM_LINE)).compactMap { place in
                let base = pool.image.view + place
                switch base.loadUnaligned(as: UInt64.self) {
                case CPMEM_SUMMARY_MAGIC:
                    let count = Int(base.loadUnaligned(as: cpmem_summary.self).count)
                    return (place + 16)..<(place + 64 + 24 * count)
                case CPMEM_CHECKPOINT_MAGIC:
                    let length = base.loadUnaligned(as: cpmem_checkpoint.self).length
                    return (place + 16)..<(place + Int(length))
                default: return nil
                }
            }
        }
    }

    /// Whoever appends leaves room for the summary; sealing such an extent would write into the
    /// next segment, so opening for writing refuses what opening read-only can read.
    @Test("Records that leave no room for their summary", arguments: [false, true])
    func noRoomForTheSummary(closes: Bool) throws {
        let sample = try SamplePool(
            "one record, closed: \(closes)", shape: PoolShape(), script: "put 0 9",
            closes: closes)
        let pool = DamagedPool(sample)
        for units in 0..<4 {
            pool.attempt("its record leaves \(units) units of its segment", .forgery) {
                sample.stretchFirstRecord(leaving: units)
            }
        }
        expectNoProblem(pool, trials: 4)
    }
}
