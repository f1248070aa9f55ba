import Glibc
import Testing

@testable import PmemKV

@Suite("Store")
struct StoreTests {
    @Test(arguments: [IOPath.mapped, .syscalls])
    func putGetRemoveReopen(io: IOPath) throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20) { $0.io = io }
        for length in [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 4096, 5000, 70_000, 1 << 20] {
            try store.put([UInt8](repeating: 3, count: length), forKey: "length \(length)")
            #expect(try store.get("length \(length)") == [UInt8](repeating: 3, count: length))
        }
        #expect(try store.remove("length 7"))
        #expect(try !store.remove("length 7"))
        #expect(try store.get("length 7") == nil)
        #expect(store.count == 14)
        try store.close()
        #expect(throws: StoreError.self) { try store.get("length 8") }
        let again = try pool.open { $0.io = io }
        #expect(again.recoveryReport.wasClean)
        #expect(again.count == 14)
        #expect(try again.get("length 1048576")?.count == 1 << 20)
        #expect(try again.get("length 0") == [])
        #expect(try PmemStore.checkAfterClosing(again, pool).isSound)
    }

    /// 65,536, and a quarter of a segment at most: longer ones, whose tombstones found no place,
    /// could not be removed from a full pool.
    @Test(arguments: [(64 << 10, 16_384), (256 << 10, 65_536), (1 << 20, 65_536)])
    func keysHaveOneByteAndAMaximum(segmentSize: Int, maximum: Int) throws {
        let store = try TemporaryPool().create(8 << 20, segmentSize: segmentSize)
        #expect(store.maximumKeyLength == maximum)
        let longest = [UInt8](repeating: 9, count: maximum)
        try store.put("v", forKey: longest)
        #expect(try store.get(longest) == bytes("v"))
        for bad in [[], longest + [1]] {
            let error = #expect(throws: StoreError.self) { try store.put("v", forKey: bad) }
            #expect(error?.code == .invalidArgument)
            var batch = WriteBatch()
            batch.put("v", forKey: bad)
            #expect(throws: StoreError.self) { try store.apply(batch) }
        }
        #expect(store.count == 1)
        #expect(try store.remove(longest))
        #expect(try !store.remove([UInt8](repeating: 9, count: 65_536)))
    }

    @Test func afterACrashEverythingAcknowledgedIsThere() throws {
        let pool = TemporaryPool()
        let store = try pool.create(8 << 20)
        for number in 0..<5000 { try store.put("value \(number)", forKey: "key \(number)") }
        for number in stride(from: 0, to: 5000, by: 5) { try store.remove("key \(number)") }
        var batch = WriteBatch()
        batch.put("1", forKey: "batch a")
        batch.remove("key 1")
        batch.put("2", forKey: "batch a")
        try store.apply(batch)
        store.abandon()
        for readOnly in [true, false] {
            let again = try pool.open { $0.readOnly = readOnly }
            #expect(!again.recoveryReport.wasClean)
            #expect(again.count == 4000)
            #expect(try again.get("batch a") == bytes("2"))
            #expect(try again.get("key 1") == nil)
            #expect(try again.get("key 5") == nil)
            #expect(try again.get("key 4999") == bytes("value 4999"))
            again.abandon()
        }
    }

    @Test func aFullPoolStillReadsAndDeletes() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10)
        let value = [UInt8](repeating: 1, count: 1000)
        var stored = 0
        let error = #expect(throws: StoreError.self) {
            while true {
                try store.put(value, forKey: "key \(stored)")
                stored += 1
            }
        }
        #expect(error?.code == .outOfSpace)
        #expect(stored * 1064 > 1 << 19)
        for number in 0..<stored { #expect(try store.get("key \(number)") == value) }
        for number in 0..<stored { #expect(try store.remove("key \(number)")) }
        #expect(store.count == 0)
        // The head of compaction and what it copied may take a segment or two more than before.
        let refill = stored - 2 * 16
        for number in 0..<refill { try store.put(value, forKey: "again \(number)") }
        try store.close()
        #expect(try pool.open().count == refill)
    }

    @Test func manyDeletesAndPutsNeverFillThePool() throws {
        let store = try TemporaryPool().create(1 << 20, segmentSize: 16 << 10)
        for round in 0..<60_000 {
            try store.put("v", forKey: "key \(round)")
            #expect(try store.remove("key \(round)"))
        }
        #expect(store.count == 0)
    }

    @Test func updatesAreAtomic() throws {
        let store = try TemporaryPool().create(1 << 20)
        #expect(try store.compareAndSet("k", expected: nil, to: bytes("1")))
        #expect(try !store.compareAndSet("k", expected: nil, to: bytes("2")))
        #expect(try store.compareAndSet("k", expected: bytes("1"), to: bytes("2")))
        #expect(try store.get("k") == bytes("2"))
        try store.update("k") { old in .set([UInt8](repeating: 7, count: old!.byteCount + 1)) }
        #expect(try store.get("k") == [7, 7])
        #expect(try store.compareAndSet("k", expected: [7, 7], to: nil))
        #expect(try store.get("k") == nil)
    }

    @Test func oneWriterOrManyReaders() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20)
        try store.put("v", forKey: "k")
        for readOnly in [true, false] {
            let error = #expect(throws: StoreError.self) {
                _ = try pool.open { $0.readOnly = readOnly }
            }
            #expect(error?.code == .locked)
        }
        try store.close()
        let first = try pool.open { $0.readOnly = true }
        let second = try pool.open { $0.readOnly = true }
        #expect(try first.get("k") == second.get("k"))
        let error = #expect(throws: StoreError.self) { try first.put("v", forKey: "k") }
        #expect(error?.code == .readOnly)
        #expect(throws: StoreError.self) { _ = try pool.open() }
    }

    @Test func relaxedWritesAreDurableAfterSync() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20)
        for number in 0..<100 {
            try store.put("\(number)", forKey: "k\(number)", durability: .relaxed)
        }
        try store.sync()
        store.abandon()
        #expect(try pool.open().count == 100)
    }

    @Test(arguments: IndexKind.allCases)
    func scansAreInKeyOrder(index: IndexKind) throws {
        let store = try TemporaryPool().create(1 << 20) { $0.index = index }
        for key in ["b", "a", "c", "aa", "ab", "\u{7f}"] { try store.put("v\(key)", forKey: key) }
        func keys(_ range: KeyRange, reverse: Bool = false, limit: Int? = nil) throws -> [String] {
            var found: [String] = []
            try store.scan(range, reverse: reverse, limit: limit) { key, value in
                found.append(key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
                return true
            }
            return found
        }
        #expect(try keys(.all) == ["a", "aa", "ab", "b", "c", "\u{7f}"])
        #expect(try keys(.prefix(bytes("a"))) == ["a", "aa", "ab"])
        #expect(try keys(KeyRange(from: bytes("aa"), to: bytes("c"))) == ["aa", "ab", "b"])
        #expect(try keys(.all, reverse: true, limit: 2) == ["\u{7f}", "c"])
        #expect(try keys(KeyRange(to: bytes("b")), reverse: true) == ["ab", "aa", "a"])
        #expect(try keys(KeyRange(from: bytes("c"), to: bytes("b"))) == [])
        #expect(try keys(KeyRange(from: [], to: [])) == [])
        #expect(try keys(KeyRange(from: bytes("b")), limit: 0) == [])
        #expect(KeyRange.prefix([1, 255]) == KeyRange(from: [1, 255], to: [2]))
        #expect(KeyRange.prefix([255]) == KeyRange(from: [255]))
    }

    /// Far more keys than a scan keeps at a time: cutting back must not lose the right ones.
    @Test(arguments: IndexKind.allCases)
    func shortScansOfManyKeys(index: IndexKind) throws {
        let store = try TemporaryPool().create(8 << 20) { $0.index = index }
        let order = (0..<9000).map { 10_000 + ($0 * 7919) % 9000 }
        for number in order { try store.put("", forKey: "\(number)") }
        for reverse in [false, true] {
            var found: [String] = []
            try store.scan(reverse: reverse, limit: 5) { key, _ in
                found.append(key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
                return true
            }
            let wanted = (0..<5).map { "\(reverse ? 18_999 - $0 : 10_000 + $0)" }
            #expect(found == wanted)
        }
    }

    /// A scan's body changes and removes what lies ahead: the scan shows what there was.
    @Test(arguments: IndexKind.allCases)
    func bodyOfAScanMayUseTheStore(index: IndexKind) throws {
        let store = try TemporaryPool().create(4 << 20) { $0.index = index }
        func key(_ number: Int) -> String { "key \(1000 + number)" }
        for number in 0..<999 { try store.put("old", forKey: key(number)) }
        var seen: [String] = []
        var error: (any Error)?
        try store.scan { found, value in
            let name = found.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            seen.append(value.byteCount == 3 ? name : "")
            let number = Int(name.dropFirst(4))! - 1000
            guard number % 3 == 0 else { return true }
            do {
                try store.put("newer", forKey: key(number + 1))
                _ = try store.remove(key(number + 2))
            } catch let thrown {
                error = thrown
            }
            return true
        }
        #expect(error == nil)
        #expect(seen == (0..<999).map { key($0) })
        #expect(store.count == 666)
    }

    /// The last entry of a key counts, wherever it stands among thousands, and so does a removal.
    @Test(arguments: IndexKind.allCases, [1, 2] as [UInt64])
    func longBatchesWithManyEntriesOfAKey(index: IndexKind, seed: UInt64) throws {
        let store = try TemporaryPool().create(8 << 20) { $0.index = index }
        var model: [String: [UInt8]] = [:]
        var random = ModelGenerator(state: seed)
        for count in [1, 2, 3, 8, 31, 32, 33, 3000] {
            var batch = WriteBatch()
            for number in 0..<count {
                let key = "key \(Int.random(in: 0..<(1 + count / 4), using: &random))"
                if Bool.random(using: &random) {
                    batch.put("\(count) \(number)", forKey: key)
                    model[key] = bytes("\(count) \(number)")
                } else {
                    batch.remove(key)
                    model[key] = nil
                }
            }
            try store.apply(batch)
            #expect(store.count == model.count)
            for (key, value) in model { #expect(try store.get(key) == value) }
        }
        #expect(try store.structure().miscountedExtents == 0)
    }

    @Test func backupIsAPoolOfItsOwn() throws {
        let store = try TemporaryPool().create(1 << 20)
        for number in 0..<500 { try store.put("value \(number)", forKey: "key \(number)") }
        let copy = TemporaryPool()
        try store.backup(to: copy.path)
        let other = try copy.open()
        #expect(other.count == 500)
        #expect(try other.get("key 499") == bytes("value 499"))
    }

    /// Both ends of the range of limits once trapped: one where twice the limit was computed, one
    /// where so many entries were taken from a page.
    @Test(arguments: IndexKind.allCases)
    func scansTakeAnyLimit(index: IndexKind) throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20) { $0.index = index }
        for number in 0..<200 { try store.put("value", forKey: "key \(number)") }
        for reverse in [false, true] {
            for (limit, shown) in [(Int.max, 200), (.max / 2, 200), (0, 0), (7, 7)] {
                var count = 0
                try store.scan(reverse: reverse, limit: limit) { _, _ in
                    count += 1
                    return true
                }
                #expect(count == shown)
            }
            for limit in [-1, Int.min] {
                do throws(StoreError) {
                    try store.scan(reverse: reverse, limit: limit) { _, _ in true }
                    Issue.record("a scan of \(limit) entries")
                } catch {
                    #expect(error.code == .invalidArgument)
                }
            }
        }
        try store.close()
    }

    /// What had been appended to extents that were freed since once counted as live.
    @Test func statisticsCountWhatIsThere() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, segmentSize: 16 << 10)
        for round in 0..<10 {
            for number in 0..<1000 { try store.put("value \(round)", forKey: "key \(number)") }
        }
        try store.compact()
        let full = store.statistics
        #expect(full.liveBytes == 1000 * 64)
        for number in 0..<1000 { try store.remove("key \(number)") }
        try store.put([UInt8](repeating: 1, count: 100_000), forKey: "long")
        try store.remove("long")
        try store.compact()
        #expect(store.statistics.liveBytes == 0)
        let before = store.statistics.tombstoneBytes
        try store.close()
        let again = try pool.open()
        #expect(again.statistics.liveBytes == 0)
        #expect(again.statistics.tombstoneBytes == before)
        try again.close()
    }
}

extension PmemStore {
    fileprivate static func checkAfterClosing(
        _ store: PmemStore, _ pool: TemporaryPool
    ) throws -> CheckReport {
        try store.close()
        return try check(at: pool.path)
    }
}
