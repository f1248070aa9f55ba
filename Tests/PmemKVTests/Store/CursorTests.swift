// Cursors: every walk over the entries of one moment.

import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Cursors")
struct CursorTests {
    private func store(_ index: IndexKind) throws -> PmemStore {
        try TemporaryPool().create(4 << 20, segmentSize: 64 << 10) { $0.index = index }
    }

    /// Random moves, each compared with what a sorted array says, while the store is changed.
    @Test(arguments: [IndexKind.hash, .ordered], [UInt64](1...3))
    func goesWhereASortedArrayDoes(index: IndexKind, seed: UInt64) throws {
        let store = try store(index)
        var random = SplitMix(seed: seed)
        var model: [(key: [UInt8], value: [UInt8])] = []
        for number in 0..<150 {
            // Some values fill a page by themselves.
            let value = [UInt8](repeating: 7, count: number % 50 == 0 ? 30_000 : number)
            let key = bytes("key \(1000 + number * 6)")
            try store.put(value, forKey: key)
            model.append((key, value))
        }
        let range =
            seed == 1
            ? KeyRange.all : KeyRange(from: bytes("key 1100"), to: bytes("key 1700"))
        model = model.filter { entry in entry.key.withByteView { range.contains($0) } }
        var cursor = try store.cursor(range)
        var place: Int?
        for round in 0..<300 {
            if round % 20 == 0 {
                let key = "key \(1000 + random.below(900))"
                if round % 40 == 0 {
                    try store.put("new", forKey: key)
                } else {
                    try store.remove(key)
                }
            }
            let key = bytes("key \(990 + random.below(940))")
            let target: Int?
            let found: Bool
            switch random.below(20) {
            case 0: (target, found) = (model.indices.first, try cursor.first())
            case 1: (target, found) = (model.indices.last, try cursor.last())
            case 2, 3:
                target = model.firstIndex { !$0.key.lexicographicallyPrecedes(key) }
                found = try cursor.seek(key)
            case 4, 5:
                target = model.lastIndex { $0.key.lexicographicallyPrecedes(key) }
                found = try cursor.seek(below: key)
            case 6...12:
                target = place.map { $0 + 1 < model.count ? $0 + 1 : nil } ?? 0
                found = try cursor.next()
            default:
                target = place.map { $0 > 0 ? $0 - 1 : nil } ?? (model.count - 1)
                found = try cursor.previous()
            }
            #expect(found == (target != nil))
            place = target ?? place
            #expect(cursor.isAtEntry == (place != nil))
            #expect(cursor.key == place.map { model[$0].key })
            #expect(cursor.value == place.map { model[$0].value })
        }
    }

    @Test func ofNothing() throws {
        let store = try store(.ordered)
        var cursor = try store.cursor()
        #expect(try !cursor.first() && !cursor.last() && !cursor.next() && !cursor.previous())
        #expect(!cursor.isAtEntry && cursor.key == nil && cursor.value == nil)
        #expect(cursor.withEntry { _, _ in 1 } == nil)
        try store.put("v", forKey: "k")
        #expect(try !cursor.next())
    }

    @Test func endsWithItsSnapshot() throws {
        let store = try store(.hash)
        for number in 0..<10 { try store.put("v", forKey: "k\(number)") }
        do {
            var cursor = try store.cursor(.prefix("k"))
            #expect(try cursor.next())
            #expect(store.statistics.snapshots == 1)
        }
        #expect(store.statistics.snapshots == 0)
        let snapshot = try store.snapshot()
        var cursor = snapshot.cursor()
        #expect(try cursor.next() && cursor.key == bytes("k0"))
        snapshot.end()
        let error = #expect(throws: StoreError.self) { try cursor.last() }
        #expect(error?.code == .snapshotTooOld && cursor.key == bytes("k0"))
    }

    @Test(arguments: [IndexKind.hash, .ordered])
    func entriesOfARange(index: IndexKind) throws {
        let store = try store(index)
        for key in ["a", "b1", "b2", "c"] { try store.put("v\(key)", forKey: key) }
        let snapshot = try store.snapshot()
        try store.remove("b1")
        func keys(_ entries: [(key: [UInt8], value: [UInt8])]) -> [String] {
            entries.map { String(decoding: $0.key, as: UTF8.self) }
        }
        #expect(try keys(store.entries()) == ["a", "b2", "c"])
        #expect(try keys(store.entries(.prefix("b"))) == ["b2"])
        #expect(try keys(snapshot.entries(.prefix("b"), reverse: true)) == ["b2", "b1"])
        #expect(try keys(store.entries(KeyRange(from: "b"), limit: 1)) == ["b2"])
        #expect(try keys(store.entries(KeyRange(to: "b"))) == ["a"])
        #expect(try keys(snapshot.entries(KeyRange(from: "b", to: "c"))) == ["b1", "b2"])
        #expect(try store.entries().first?.value == bytes("va"))
    }

    /// A body that fails ends what it is in, with its own error, and leaves nothing behind.
    @Test(arguments: [IndexKind.hash, .ordered], [IOPath.mapped, .syscalls])
    func bodiesMayThrow(index: IndexKind, io: IOPath) throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 64 << 10) {
            $0.index = index
            $0.io = io
        }
        for number in 0..<20 { try store.put("v", forKey: "k\(number)") }
        try store.put([UInt8](repeating: 1, count: 20_000), forKey: "long")
        let mine = StoreError(.invalidArgument, "enough of it")
        func expectMine(_ body: () throws(StoreError) -> Void) {
            let error = #expect(throws: StoreError.self) { try body() }
            #expect(error?.message == mine.message)
        }
        var shown = 0
        expectMine { () throws(StoreError) in
            try store.scan { _, _ throws(StoreError) in
                shown += 1
                if shown == 7 { throw mine }
                return true
            }
        }
        #expect(shown == 7)
        expectMine { () throws(StoreError) in
            try store.scan(KeyRange(from: "long")) { _, _ throws(StoreError) in throw mine }
        }
        expectMine { () throws(StoreError) in
            try store.withValue(forKey: "k1") { _ throws(StoreError) in throw mine }
        }
        expectMine { () throws(StoreError) in
            try store.withValues(forKeys: ["k1", "none"]) { number, _ throws(StoreError) in
                if number == 1 { throw mine }
            }
        }
        expectMine { () throws(StoreError) in
            try store.update("k1") { _ throws(StoreError) in throw mine }
        }
        try store.put("w", forKey: "k1")
        #expect(store.statistics.snapshots == 0)
        try store.close()
    }
}
