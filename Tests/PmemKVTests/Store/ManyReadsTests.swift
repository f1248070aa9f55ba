// Reading many keys in one call: the answers of as many single reads, whatever their number.

import PmemKV
import Testing

@Suite("Reading many keys")
struct ManyReadsTests {
    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 17, 40, 300])
    func givesWhatSingleReadsGive(count: Int) throws {
        let store = try TemporaryPool().create(4 << 20)
        for key in 0..<200 where key % 3 != 0 {
            try store.put([UInt8](repeating: UInt8(key), count: key * 7), forKey: "key \(key)")
        }
        let keys = (0..<count).map { "key \($0 * 31 % 211)" }
        let expected = try keys.map { try store.get($0) }
        #expect(try store.get(keys) == expected)
        var numbers: [Int] = []
        try store.withValues(forKeys: keys) { number, value in
            numbers.append(number)
            #expect(value?.byteCount == expected[number]?.count)
        }
        #expect(numbers == Array(0..<count))
    }

    @Test func reachesMediaThatAreNotMapped() throws {
        let store = try TemporaryPool().create(1 << 20) { $0.io = .syscalls }
        try store.put("one", forKey: "a")
        #expect(try store.get(["a", "b", "a"]) == [Array("one".utf8), nil, Array("one".utf8)])
    }

    @Test func aBodyMayWrite() throws {
        let store = try TemporaryPool().create(1 << 20)
        let keys = (0..<50).map { "key \($0)" }
        for key in keys { try store.put("old", forKey: key) }
        var failures = 0
        try store.withValues(forKeys: keys) { number, value in
            // The second half is gone when it is its turn.
            #expect(value?.byteCount == (number < 25 ? 3 : nil))
            do { try store.remove(keys[49 - number]) } catch { failures += 1 }
        }
        #expect(failures == 0 && store.count == 0)
    }

    @Test func refusesAKeyThatCannotBe() throws {
        let store = try TemporaryPool().create(1 << 20)
        let error = #expect(throws: StoreError.self) { _ = try store.get(["a", ""]) }
        #expect(error?.code == .invalidArgument)
        try store.close()
        let closed = #expect(throws: StoreError.self) { _ = try store.get(["a"]) }
        #expect(closed?.code == .closed)
        // Asking for nothing was answered all the same.
        let empty = #expect(throws: StoreError.self) { _ = try store.get([String]()) }
        #expect(empty?.code == .closed)
        let none = #expect(throws: StoreError.self) { try store.scan(limit: 0) { _, _ in true } }
        #expect(none?.code == .closed)
    }
}
