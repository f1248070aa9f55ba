// Transactions: all or nothing, at one moment, however others write meanwhile.

import Foundation
import PmemKVTesting
import Synchronization
import Testing

@testable import PmemKV

@Suite("Transactions")
struct TransactionTests {
    private static let indexes: [IndexKind] = [.hash, .ordered]

    // MARK: Alone

    @Test(arguments: indexes)
    func sees(index: IndexKind) throws {
        let store = try store(index)
        for key in ["a", "c", "e"] { try store.put("old", forKey: key) }
        try store.transaction { tx in
            try tx.put("new", forKey: "b")
            try tx.put("new", forKey: "c")
            try tx.remove("e")
            try tx.put("first", forKey: "f")
            try tx.put("new", forKey: "f")
            #expect(try tx.get("a") == bytes("old"))
            #expect(try tx.get("c") == bytes("new"))
            #expect(try tx.get("e") == nil)
            #expect(try tx.get("f") == bytes("new"))
            #expect(try !tx.contains("e") && tx.contains("b") && !tx.contains("z"))
            #expect(try entries(tx) == ["a=old", "b=new", "c=new", "f=new"])
            #expect(try entries(tx, reverse: true) == ["f=new", "c=new", "b=new", "a=old"])
            #expect(try entries(tx, limit: 2) == ["a=old", "b=new"])
            #expect(try entries(tx, reverse: true, limit: 1) == ["f=new"])
            #expect(try entries(tx, limit: 0) == [])
            #expect(try entries(tx, KeyRange(from: bytes("b"), to: bytes("c"))) == ["b=new"])
            #expect(try store.get("b") == nil && store.get("c") == bytes("old"))
        }
        #expect(try store.get("c") == bytes("new") && store.get("f") == bytes("new"))
        #expect(try store.get("e") == nil && store.count == 4)
    }

    /// More writes than are looked through one by one, keys written several times among them.
    @Test(arguments: indexes)
    func manyWrites(index: IndexKind) throws {
        let store = try store(index)
        var random = SplitMix(seed: 5)
        var model: [String: String] = [:]
        try store.transaction { tx in
            for round in 0..<600 {
                let key = "key \(Int.random(in: 0..<100, using: &random))"
                #expect(try tx.get(key) == model[key].map(bytes))
                if round % 5 == 0 {
                    try tx.remove(key)
                    model[key] = nil
                } else {
                    try tx.put("\(round)", forKey: key)
                    model[key] = "\(round)"
                }
            }
            #expect(try entries(tx) == model.sorted { $0.key < $1.key }.map { "\($0)=\($1)" })
        }
        #expect(store.count == model.count)
        for (key, value) in model { #expect(try store.get(key) == bytes(value)) }
    }

    @Test(arguments: indexes)
    func readsMayWriteAndFail(index: IndexKind) throws {
        struct Enough: Error {}
        let store = try store(index)
        for number in 0..<40 { try store.put("\(number)", forKey: "key \(number + 10)") }
        try store.transaction { tx in
            try tx.scan { key, value throws(StoreError) in
                try tx.put(Array("\(text(value))!".utf8), forKey: text(key))
                return true
            }
            try tx.withValue(forKey: "key 10") { value throws(StoreError) in
                try tx.put("x", forKey: "seen \(text(value))")
            }
        }
        #expect(try store.get("key 49") == bytes("39!") && store.get("seen 0!") == bytes("x"))
        #expect(throws: Enough.self) {
            try store.transaction { tx in
                try tx.put("half", forKey: "key 10")
                throw Enough()
            }
        }
        #expect(try store.get("key 10") == bytes("0!"))
    }

    @Test func returnsWhatItsBodyDoes() throws {
        let store = try store(.hash)
        try store.put("41", forKey: "n")
        let sum = try store.transaction { tx in
            let sum =
                (try tx.get("n").flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0) + 1
            try tx.put("\(sum)", forKey: "n")
            return sum
        }
        #expect(try sum == 42 && store.get("n") == bytes("42"))
    }

    @Test func refusesWhatCannotBe() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10)
        func expect(_ code: StoreError.Code, _ body: (Transaction) throws -> Void) {
            let error = #expect(throws: StoreError.self) { try store.transaction(body) }
            #expect(error?.code == code)
        }
        try store.put("v", forKey: "k")
        expect(.invalidArgument) { _ = try $0.get("") }
        expect(.invalidArgument) { try $0.put("v", forKey: "") }
        expect(.invalidArgument) { try $0.remove(String(repeating: "k", count: 70_000)) }
        expect(.invalidArgument) { try $0.scan(limit: -1) { _, _ in true } }
        #expect(throws: StoreError.self) { try store.transaction(attempts: 0) { _ in } }
        expect(.outOfSpace) { tx in
            for number in 0..<3 {
                try tx.put([UInt8](repeating: 1, count: 600_000), forKey: "large \(number)")
            }
        }
        #expect(store.count == 1)
        try store.update("k") { value in
            expect(.insideCallback) { try $0.put("w", forKey: "k") }
            return .keep
        }
        expect(.closed) { tx in
            _ = try tx.get("k")
            try store.close()
            try tx.put("w", forKey: "k")
        }
        expect(.closed) { _ in }
        let again = try pool.open { $0.readOnly = true }
        #expect(try again.transaction { tx in try tx.get("k") } == bytes("v"))
        let error = #expect(throws: StoreError.self) {
            try again.transaction { tx in try tx.put("w", forKey: "k") }
        }
        #expect(error?.code == .readOnly)
    }

    // MARK: Expectations

    @Test func batchesWithExpectations() throws {
        let store = try store(.hash)
        var batch = WriteBatch()
        batch.put("new", forKey: "a")
        batch.remove("b")
        #expect(try store.apply(batch, expecting: [.absent("a"), .absent("b")]))
        #expect(try !store.apply(batch, expecting: [.absent("a")]))
        #expect(try !store.apply(batch, expecting: [.value("old", forKey: "a")]))
        try store.put("there", forKey: "b")
        #expect(
            try !store.apply(batch, expecting: [.value("new", forKey: "a"), .absent("b")]))
        #expect(try store.get("b") == bytes("there"))
        let version = try #require(try store.getVersioned("b")).version
        try store.compact()
        #expect(try store.getVersioned("b")?.version == version)
        try store.put("there", forKey: "b")
        #expect(try !store.apply(batch, expecting: [.version(version, forKey: "b")]))
        let newer = try #require(try store.getVersioned("b"))
        #expect(newer.value == bytes("there") && newer.version != version)
        #expect(
            try store.apply(
                batch,
                expecting: [.version(newer.version, forKey: "b"), .value("new", forKey: "a")]))
        #expect(try store.get("b") == nil && store.getVersioned("b") == nil)
        #expect(try store.apply(WriteBatch(), expecting: [.absent("b")]))
        #expect(try !store.apply(WriteBatch(), expecting: [.absent("a")]))
        #expect(throws: StoreError.self) {
            try store.apply(batch, expecting: [.absent("")])
        }
    }

    // MARK: Odd uses

    @Test func isOfNoUseBehindItsEnd() throws {
        let store = try store(.ordered)
        var leaked: Transaction?
        try store.transaction { leaked = $0 }
        let tx = try #require(leaked)
        func expectRefusal(_ body: () throws(StoreError) -> Void) {
            let error = #expect(throws: StoreError.self) { try body() }
            #expect(error?.code == .invalidArgument)
        }
        expectRefusal { () throws(StoreError) in _ = try tx.get("k") }
        expectRefusal { () throws(StoreError) in try tx.put("v", forKey: "k") }
        expectRefusal { () throws(StoreError) in try tx.remove("k") }
        expectRefusal { () throws(StoreError) in try tx.scan { _, _ in true } }
        expectRefusal { () throws(StoreError) in try tx.scan(limit: 0) { _, _ in true } }
        try store.transaction { other in
            expectRefusal { () throws(StoreError) in try tx.put("v", forKey: "k") }
            try other.put("w", forKey: "l")
        }
        #expect(try store.get("k") == nil && store.count == 1)
    }

    @Test func relaxedOnesAreDurableBehindASync() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10)
        try store.transaction(durability: .relaxed) { tx in
            for key in ["a", "b"] { try tx.put("v", forKey: key) }
        }
        try store.sync()
        store.abandon()
        #expect(try pool.open().count == 2)
    }

    /// The segments that a batch has taken are given back where its conditions do not hold, and
    /// where looking at them fails.
    @Test func longOnesGiveTheirRoomBack() throws {
        let store = try store(.hash, size: 1 << 20)
        let free = store.statistics.freeSegments
        var batch = WriteBatch()
        for number in 0..<20 {
            batch.put([UInt8](repeating: 1, count: 12_000), forKey: "long \(number)")
        }
        for _ in 0..<100 { #expect(try !store.apply(batch, expecting: [.value("x", forKey: "y")])) }
        #expect(store.statistics.freeSegments >= free - 2)
        #expect(try store.apply(batch, expecting: [.absent("y")]))
        let structure = try store.structure()
        #expect(structure.lost == 0 && structure.miscountedExtents == 0)
    }

    /// A record with a damaged key may be any key's: no answer rests on that.
    @Test func aDamagedKeyIsNoUnmetExpectation() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10)
        try store.put("value", forKey: "some longer key")
        let version = try #require(try store.getVersioned("some longer key")).version
        let file = try #require(FileHandle(forUpdatingAtPath: pool.path))
        let place = try #require(try file.readToEnd()?.range(of: Data("some longer key".utf8)))
        try file.seek(toOffset: UInt64(place.lowerBound))
        try file.write(contentsOf: Data("SOME".utf8))
        for expectation in [
            Expectation.version(version, forKey: "some longer key"), .absent("some longer key"),
            .value("value", forKey: "some longer key"),
        ] {
            let error = #expect(throws: StoreError.self) {
                try store.apply(WriteBatch(), expecting: [expectation])
            }
            #expect(error?.code == .corrupt)
        }
    }
}
