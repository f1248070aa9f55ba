// Pools that earlier programs left keep opening: Tests/Pools has some of each version of the
// format.
//
// The bytes are looked at by position here, and not through the structures of the library: a
// structure that changes must not change what these tests read.

import CPmem
import Foundation
import PmemKV
import PmemKVTesting
import Testing

@Suite("Pools of earlier programs")
struct FormatVersionTests {
    static let names = ["version-1-closed", "version-1-crashed"]
    /// With the feature of batches that go on from one extent to another.
    static let spanning = "version-1-spanning"

    /// Where a pool stands while it is opened.
    enum Place: CaseIterable { case memory, file }

    @Test("Read-only, all of it is there", arguments: names + [spanning], Place.allCases)
    func read(name: String, place: Place) throws {
        let text = try PoolText(named: name)
        let pool = try StandingPool(text, place)
        #expect(try pool.check().damage.isEmpty)
        for index in IndexKind.allCases {
            let store = try pool.open(index, readOnly: true)
            expect(store, text.contents)
            #expect(store.recoveryReport.wasClean == name.hasSuffix("closed"))
            #expect(store.recoveryReport.usedCheckpoint == name.hasSuffix("closed"))
            try store.close()
        }
        #expect(try pool.bytes() == text.bytes)
    }

    @Test(
        "It is written to, closed and opened again", arguments: names + [spanning],
        Place.allCases)
    func write(name: String, place: Place) throws {
        let text = try PoolText(named: name)
        for index in IndexKind.allCases {
            let pool = try StandingPool(text, place)
            var contents = text.contents
            var store = try pool.open(index)
            expect(store, contents)
            let removed = try #require(contents.keys.min { $0.count < $1.count })
            try store.remove(removed)
            contents[removed] = nil
            for key in Array(contents.keys) + [Array("new".utf8)] {
                let value = [UInt8](repeating: 0x21, count: (contents[key]?.count ?? 40) / 2)
                guard key.count <= store.statistics.segmentBytes / 4 else {
                    // Such keys are no longer written; those there are can be removed.
                    #expect(throws: StoreError.self) { try store.put(value, forKey: key) }
                    #expect(try store.remove(key))
                    contents[key] = nil
                    continue
                }
                try store.put(value, forKey: key)
                contents[key] = value
                expect(store, contents)
            }
            try store.compact()
            try store.close()
            #expect(try pool.check().damage.isEmpty)
            store = try pool.open(index)
            expect(store, contents)
            try store.close()
        }
    }

    private func expect(
        _ store: PmemStore, _ contents: [[UInt8]: [UInt8]],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(store.count == contents.count, sourceLocation: sourceLocation)
        for (key, value) in contents {
            #expect((try? store.get(key)) == value, "key \(key)", sourceLocation: sourceLocation)
        }
        let keys = contents.keys.sorted { $0.lexicographicallyPrecedes($1) }
        var scanned: [[UInt8]] = []
        #expect(throws: Never.self, sourceLocation: sourceLocation) {
            try store.scan { key, value in
                scanned.append(key.withUnsafeBytes(Array.init))
                return value.withUnsafeBytes(Array.init) == contents[scanned.last!]
            }
        }
        #expect(scanned == keys, sourceLocation: sourceLocation)
    }

    @Test("The bytes are where docs/format.md says", arguments: names + [spanning])
    func layout(name: String) throws {
        let bytes = PoolBytes(try PoolText(named: name).bytes)
        for copy in [0, 4096] {
            #expect(bytes[copy, 8] == [0x89, 0x50, 0x4D, 0x4B, 0x56, 0x0D, 0x0A, 0x1A])
            #expect(bytes[copy + 8, 4] == [1, 0, 0, 0])
            var block = bytes[copy, 256]
            block.replaceSubrange(12..<16, with: [0, 0, 0, 0])
            #expect(bytes.word(copy + 8) >> 32 == UInt64(cpmem_crc32c(block, block.count)))
            #expect(bytes.word(copy + 16) == (name == Self.spanning ? 1 : 0))
            #expect(bytes.word(copy + 24) == 0)
            #expect(bytes.word(copy + 40) == UInt64(bytes.all.count))
            #expect(bytes.word(copy + 48) == 1024)
            #expect(bytes.word(copy + 64) == 8192 && bytes.word(copy + 72) == 12288)
        }
        #expect(bytes.lives.allSatisfy { $0.isWhole(pool: bytes.word(32)) })
        let newest = bytes.word(80) > bytes.word(4096 + 80) ? 0 : 4096
        #expect(bytes.word(newest + 120) == (name.hasSuffix("closed") ? 1 : 0))
        let checkpoint = bytes.word(newest + 96)
        guard name.hasSuffix("closed") else { return #expect(checkpoint == .max) }
        let life = bytes.lives[Int(checkpoint)]
        #expect(life.state == 3 && UInt64(life.generation) == bytes.word(newest + 104))
        #expect(bytes[12288 + Int(checkpoint) * 1024, 8] == Array("PKCHECK1".utf8))
    }

    @Test("A batch goes on from extents that are not sealed, one with a long record")
    func spanningBatch() throws {
        let bytes = PoolBytes(try PoolText(named: Self.spanning).bytes)
        #expect(bytes.endsInsideBatches == 3)
        #expect(bytes.lives.contains { $0.state == 2 && $0.span > 1 && !bytes.isSealed($0) })
    }

    @Test("They have in them what they were written for", arguments: names)
    func variety(name: String) throws {
        let bytes = PoolBytes(try PoolText(named: name).bytes)
        let logs = bytes.lives.filter { $0.state == 2 }
        let records = logs.flatMap(bytes.records)
        #expect(logs.contains { $0.span > 1 } && logs.contains { $0.generation > 1 })
        let sealed = logs.filter(bytes.isSealed)
        #expect(sealed.count > 2)
        let tombstones = records.filter { $0.kind == 2 }
        let hidden = tombstones.filter { tombstone in
            records.contains { $0.key == tombstone.key && $0.kind == 1 }
        }
        #expect(!hidden.isEmpty)
        let keyLengths = Set(records.map(\.key.count))
        let valueLengths = Set(records.map(\.valueLength))
        let open = logs.filter { !bytes.isSealed($0) }
        if name.hasSuffix("closed") {
            #expect(keyLengths.isSuperset(of: [1, 255, 1000]))
            #expect(valueLengths.isSuperset(of: [0, 1, 63, 64, 65, 300, 2200]))
            #expect(records.contains { $0.batchRemaining == 3 })
            #expect(open.count == 1 && bytes.hasTail(open[0]))
        } else {
            #expect(keyLengths.isSuperset(of: [1, 255]))
            #expect(valueLengths.isSuperset(of: [0, 1, 63, 64, 65, 300, 2200]))
            #expect(open.count == 2)
            // The batch ends too early, and what stands behind it is not nothing.
            let torn = try #require(open.first { bytes.records($0).last?.batchRemaining == 2 })
            #expect(bytes[bytes.records(torn).last!.end, 32] != [UInt8](repeating: 0, count: 32))
        }
    }
}
