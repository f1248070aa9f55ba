// Damaged bytes: an error or the right answer, and everything else stays readable.

import CPmem
import PmemKV
import PmemKVTesting
import Testing

@Suite("Damage")
struct DamageTests {
    @Test("Flipped bits give an error or the right value", arguments: [0, 1, 3, 4])
    func flips(number: Int) throws {
        let pool = try SamplePool.all()[number]
        let flips = BitFlips(pool)
        let problem = flips.run(0..<pool.image.size, stride: 41, writable: number == 0)
        #expect(problem == nil)
        #expect(flips.flips > 3000)
        #expect(flips.refusedReads > 0 && flips.refusedOpens > 0)
    }

    /// Either copy of the superblock has to know of segments that have come.
    @Test("Flipped bits of a pool that has grown give an error or the right value")
    func flipsOfAGrownPool() throws {
        let pool = try SamplePool.grown()
        let flips = BitFlips(image: pool.image, shape: pool.shape, expected: pool.expected)
        #expect(flips.run(0..<256, writable: true) == nil)
        #expect(flips.run(4096..<(4096 + 256), writable: true) == nil)
        #expect(flips.refusedOpens == 0 && flips.refusedReads == 0)
        #expect(flips.run(8192..<pool.image.size, stride: 41, writable: false) == nil)
    }

    @Test("A poisoned line gives a media error for its record, and no other is lost")
    func poison() throws {
        let pool = try SamplePool.all()[0]
        var sawMediaError = false
        let data = pool.image.size - pool.shape.segments * pool.shape.segmentSize
        for offset in stride(from: data, to: pool.image.size, by: 64) {
            let copy = PoolImage(size: pool.image.size)
            copy.copy(from: pool.image)
            let medium = FaultyMedium(ScratchMedium(copy), plan: nil)
            let store = try PmemStore.open(on: medium, options: pool.shape.options)
            defer { store.abandon() }
            (copy.bytes + offset).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
            medium.noteFault()
            var failures = 0
            for key in 0..<pool.shape.keys {
                do {
                    #expect(try store.get(PoolShape.key(key)) == pool.expected[key])
                } catch {
                    #expect(error.code == .media)
                    failures += 1
                }
            }
            #expect(failures <= 1)
            sawMediaError = sawMediaError || failures == 1
        }
        #expect(sawMediaError)
    }

    /// The value behind the end of a range was verified before anybody looked whether it was still
    /// in the range: whoever scanned what was whole got the error of a key that was not asked for.
    @Test("A scan does not stumble over damage behind its end", arguments: IndexKind.allCases)
    func damageBehindTheEnd(index: IndexKind) throws {
        let shape = PoolShape()
        let image = PoolImage(size: shape.poolSize)
        var options = shape.options
        options.index = index
        let store = try PmemStore.open(
            on: ScratchMedium(image), formatSegmentSize: shape.segmentSize, options: options)
        defer { store.abandon() }
        let value = [UInt8](repeating: 0xEE, count: 99)
        for key in ["a", "b", "c"] { try store.put(value, forKey: key) }
        let bytes = UnsafeMutableRawBufferPointer(start: image.bytes, count: image.size)
        let last = try #require(bytes.indices.last { bytes[$0] == 0xEE && bytes[$0 - 98] == 0xEE })
        bytes[last] ^= 1
        var shown = 0
        try store.scan(KeyRange(from: Array("a".utf8), to: Array("c".utf8))) { _, _ in
            shown += 1
            return true
        }
        #expect(shown == 2)
        let error = #expect(throws: StoreError.self) { try store.scan { _, _ in true } }
        #expect(error?.code == .corrupt)
    }

    @Test(
        "A scan that ends without an error has shown everything, whatever is damaged",
        arguments: IndexKind.allCases)
    func scans(index: IndexKind) throws {
        let pool = try SamplePool.all()[0]
        let expected = (0..<pool.shape.keys).filter { pool.expected[$0] != nil }
        var options = pool.shape.options
        options.index = index
        var whole = 0
        var refused = 0
        let data = pool.image.size - pool.shape.segments * pool.shape.segmentSize
        for offset in stride(from: data, to: pool.image.size, by: 64) {
            let copy = PoolImage(size: pool.image.size)
            copy.copy(from: pool.image)
            (copy.bytes + offset).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
            guard let store = try? PmemStore.open(on: ScratchMedium(copy), options: options) else {
                continue
            }
            defer { store.abandon() }
            var shown: Set<Int> = []
            do {
                try store.scan { key, value in
                    let found = (0..<pool.shape.keys).first {
                        key.withUnsafeBytes { Array($0) } == PoolShape.key($0)
                    }
                    if let found, value.withUnsafeBytes({ Array($0) }) == pool.expected[found] {
                        shown.insert(found)
                    } else {
                        Issue.record("line \(offset): the scan shows what was never written")
                    }
                    return true
                }
                whole += 1
                #expect(shown == Set(expected), "line \(offset)")
            } catch {
                #expect(error.code == .corrupt)
                refused += 1
            }
        }
        #expect(whole > 0 && refused > 0)
    }

    /// Fuzzing made a summary, with a checksum that fits, in which a record took less room than on
    /// the medium. Compaction kept that little free, and the summary of the segment it copied to
    /// was written behind the pool.
    @Test("A summary that contradicts its records is damage, not a guide")
    func summaryAgainstRecords() {
        let input: [UInt8] = [
            73, 130, 32, 4, 0, 4, 0, 255, 255, 0, 57, 77, 208, 73, 0, 250, 6, 6, 6, 6, 6, 77, 32,
            47, 77, 32, 47, 32, 47, 32, 10, 32, 0, 255, 128, 255, 255, 41, 255, 128, 255,
        ]
        input.withUnsafeBytes { ImageFuzzer().run($0) }
    }

    /// The last record of an open extent, made to end with its segment, checksums and all: sealing
    /// would write the summary into the next segment.
    @Test("Records that leave no room for their summary are refused, and only by writers")
    func noRoomForTheSummary() throws {
        let pool = try SamplePool(
            "one record", shape: PoolShape(), script: "put 0 9", closes: false)
        pool.stretchFirstRecord(leaving: 0)
        var options = pool.shape.options
        do throws(StoreError) {
            _ = try PmemStore.open(on: ScratchMedium(pool.image), options: options)
            Issue.record("the pool opens")
        } catch {
            #expect(error.code == .corrupt)
            #expect(error.message.contains("no room for its summary"))
        }
        options.readOnly = true
        let reader = try PmemStore.open(on: ScratchMedium(pool.image), options: options)
        let grown = pool.shape.segmentSize - MemoryLayout<cpmem_record>.size - 1
        #expect(try reader.get(PoolShape.key(0))?.count == grown)
        reader.abandon()
    }

    /// Fuzzing set the counter of a superblock to the highest number there is, and opening added
    /// one.
    @Test("Counters that no pool reaches are damage")
    func overflowingNumbers() throws {
        let shape = PoolShape()
        var reading = shape.options
        reading.readOnly = true
        var pool = try SamplePool("one record", shape: shape, script: "put 0 9", closes: true)
        let fields = [\cpmem_superblock.update_counter, \.sequence_limit]
        for (number, field) in fields.enumerated() {
            for copy in 0..<2 {
                let place = pool.image.bytes + copy * Int(CPMEM_SUPERBLOCK_STRIDE)
                var block = place.loadUnaligned(as: cpmem_superblock.self)
                block[keyPath: field] = .max - UInt64(number)
                place.storeBytes(of: block, as: cpmem_superblock.self)
                ImageRepair.repair(pool.image, shape: shape)
                // The other copy is as good, until it is no longer.
                let store = try? PmemStore.open(
                    on: ScratchMedium(pool.image), options: reading)
                #expect((store != nil) == (copy == 0))
                store?.abandon()
            }
            pool = try SamplePool("one record", shape: shape, script: "put 0 9", closes: true)
        }
        for closes in [true, false] {
            let pool = try SamplePool(
                "two records", shape: shape, script: "put 0 9\nput 1 9", closes: closes)
            let data = pool.image.size - shape.segments * shape.segmentSize
            var header = (pool.image.bytes + data + 64).loadUnaligned(as: cpmem_record.self)
            header.sequence = .max
            (pool.image.bytes + data + 64).storeBytes(of: header, as: cpmem_record.self)
            ImageRepair.repair(pool.image, shape: shape)
            let store = try? PmemStore.open(
                on: ScratchMedium(pool.image), options: shape.options)
            // A clean close vouches for the record; after a crash it is a torn tail.
            #expect((store?.count ?? -1) == (closes ? -1 : 1))
            store?.abandon()
        }
    }

    @Test("Made-up pools whose checksums fit neither trap nor hang")
    func hostile() {
        let fuzzer = ImageFuzzer()
        var random = SplitMix(seed: 7)
        for _ in 0..<300 {
            var input: [UInt8] = [UInt8(truncatingIfNeeded: random.next()) & 0x1B | 8]
            for _ in 0..<(1 + random.below(6)) * 10 {
                input.append(UInt8(truncatingIfNeeded: random.next() >> 20))
            }
            input.withUnsafeBytes { fuzzer.run($0) }
        }
    }
}
