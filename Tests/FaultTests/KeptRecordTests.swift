// Damage to a record that a snapshot keeps: an error for who reads it there, and for nobody else.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Damage to what a snapshot keeps")
struct KeptRecordTests {
    /// Where a byte of the record is changed.
    enum Part: CaseIterable { case header, key, value }

    private static let old = [UInt8](repeating: 0xEE, count: 99)
    private static let new = [UInt8](repeating: 0xDD, count: 99)
    private static let key = Array("the damaged one".utf8)

    @Test(arguments: IndexKind.allCases, Part.allCases)
    func isToldInTheSnapshotAlone(index: IndexKind, part: Part) throws {
        var shape = PoolShape()
        shape.segments = 16
        let image = PoolImage(size: shape.poolSize)
        var options = shape.options
        options.index = index
        let medium = ScratchMedium(image)
        let store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: options)
        let others = ["a", "z"].map { Array($0.utf8) }
        for key in others { try store.put(Self.new, forKey: key) }
        try store.put(Self.old, forKey: Self.key)
        let snapshot = try store.snapshot()
        for key in others { try store.put(Self.old, forKey: key) }
        try store.put(Self.new, forKey: Self.key)
        #expect(try snapshot.get(Self.key) == Self.old)
        try Self.damage(part, in: image)

        func expectDamage() throws {
            let error = #expect(throws: StoreError.self) { try snapshot.get(Self.key) }
            #expect(error?.code == .corrupt)
            let scan = #expect(throws: StoreError.self) { try snapshot.scan { _, _ in true } }
            #expect(scan?.code == .corrupt)
            for key in others {
                #expect(try snapshot.get(key) == Self.new && store.get(key) == Self.old)
            }
            #expect(try store.get(Self.key) == Self.new)
        }
        try expectDamage()
        // Compaction comes to the extent while the record is kept, and once it is not.
        try store.compact()
        try expectDamage()
        snapshot.end()
        #expect(store.statistics.snapshots == 0 && store.statistics.keptBytes == 0)
        try store.compact()
        for round in 0..<200 { try store.put(Self.old + [UInt8(round)], forKey: others[0]) }
        try store.put(Self.old, forKey: Self.key)
        #expect(try store.get(Self.key) == Self.old && store.get(others[1]) == Self.old)
        #expect(store.count == 3)
        try store.close()
    }

    /// Changes a byte of the one old record of the key, wherever it lies.
    private static func damage(_ part: Part, in image: PoolImage) throws {
        let bytes = UnsafeMutableRawBufferPointer(start: image.bytes, count: image.size)
        let record = key + old
        let place = try #require(
            (0..<(bytes.count - record.count)).first {
                bytes[$0] == record[0] && bytes[$0..<($0 + record.count)].elementsEqual(record)
            })
        switch part {
        // The sequence number stands there.
        case .header: bytes[place - 24] ^= 1
        case .key: bytes[place + 3] ^= 1
        case .value: bytes[place + record.count - 1] ^= 1
        }
    }
}
