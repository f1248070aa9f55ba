// Transactions: all or nothing, at one moment, however others write meanwhile.

import Foundation
import PmemKVTesting
import Synchronization
import Testing

@testable import PmemKV

@Suite("Transactions")
struct TransactionTests {
    private static let indexes: [IndexKind] = [.hash, .ordered]

    private func store(_ index: IndexKind, size: Int = 2 << 20) throws -> PmemStore {
        try TemporaryPool().create(size, segmentSize: 16 << 10) { $0.index = index }
    }

    private func entries(
        _ tx: Transaction, _ range: KeyRange = .all, reverse: Bool = false,
        limit: Int? = nil
    ) throws(StoreError) -> [String] {
        var found: [String] = []
        try tx.scan(range, reverse: reverse, limit: limit) { key, value in
            found.append("\(text(key))=\(text(value))")
            return true
        }
        return found
    }

    private func text(_ span: RawSpan) -> String {
        String(decoding: span.withByteView { $0.array }, as: UTF8.self)
    }

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

    // MARK: Others' writes

    /// Runs a transaction while the store is changed behind what it has read at its first try.
    /// Returns how often its body ran.
    private func rounds(
        _ store: PmemStore, _ read: (Transaction) throws -> Void,
        while change: () throws -> Void
    ) throws -> Int {
        var rounds = 0
        try store.transaction { tx in
            rounds += 1
            try read(tx)
            if rounds == 1 { try change() }
            try tx.put("\(rounds)", forKey: "result")
        }
        #expect(try store.get("result") == bytes("\(rounds)"))
        return rounds
    }

    @Test(arguments: indexes)
    func conflictsWithWhatItHasRead(index: IndexKind) throws {
        let store = try store(index)
        try store.put("1", forKey: "a")
        func get(_ key: String) -> (Transaction) throws -> Void {
            { tx in _ = try tx.get(key) }
        }
        #expect(try rounds(store, get("a")) { try store.put("1", forKey: "a") } == 2)
        #expect(try rounds(store, get("a")) { try store.remove("a") } == 2)
        #expect(try rounds(store, get("a")) { try store.put("1", forKey: "a") } == 2)
        #expect(try rounds(store, get("a")) { try store.put("1", forKey: "b") } == 1)
        #expect(try rounds(store, get("a")) { try store.compact() } == 1)
        #expect(try rounds(store, get("none")) { try store.put("1", forKey: "none") } == 2)
        #expect(
            try rounds(store, get("gone")) {
                try store.put("1", forKey: "gone")
                try store.remove("gone")
            } == 1)
    }

    /// Ranges are as they were: no key of them is new, changed, or gone. With the hash index others
    /// count, too.
    @Test(arguments: indexes)
    func conflictsWithRanges(index: IndexKind) throws {
        let store = try store(index)
        for number in 10..<40 { try store.put("v", forKey: "key \(number)") }
        func scan(
            _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil
        ) -> (Transaction) throws -> Void {
            { tx in _ = try self.entries(tx, range, reverse: reverse, limit: limit) }
        }
        let tens = KeyRange.prefix(bytes("key 1"))
        let elsewhere = index == .hash ? 2 : 1
        #expect(try rounds(store, scan(tens)) { try store.put("w", forKey: "key 15") } == 2)
        #expect(try rounds(store, scan(tens)) { try store.put("w", forKey: "key 15a") } == 2)
        #expect(try rounds(store, scan(tens)) { try store.remove("key 19") } == 2)
        #expect(try rounds(store, scan(tens)) { try store.put("w", forKey: "key 2") } == elsewhere)
        #expect(try rounds(store, scan(tens)) { try store.compact() } == 1)
        #expect(try rounds(store, scan(tens)) {} == 1)
        // What lies behind the last one that was shown was not read.
        let three = scan(tens, limit: 3)
        #expect(try rounds(store, three) { try store.put("w", forKey: "key 12") } == 2)
        #expect(try rounds(store, three) { try store.put("w", forKey: "key 12a") } == elsewhere)
        let last = scan(tens, reverse: true, limit: 2)
        #expect(try rounds(store, last) { try store.put("w", forKey: "key 17a") } == 2)
        #expect(try rounds(store, last) { try store.put("w", forKey: "key 17") } == elsewhere)
        #expect(try rounds(store, last) { try store.remove("key 18") } == 2)
    }

    /// What the transaction is going to write hides what is stored, which may not change all the
    /// same.
    @Test func ownWritesInARange() throws {
        let store = try store(.ordered)
        for number in 10..<20 { try store.put("v", forKey: "key \(number)") }
        func read(_ tx: Transaction) throws {
            try tx.remove("key 10")
            try tx.put("own", forKey: "key 11")
            try tx.put("own", forKey: "key 11a")
            #expect(
                try entries(tx, limit: 3) == ["key 11=own", "key 11a=own", "key 12=v"])
        }
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 13") } == 1)
        try store.put("v", forKey: "key 10")
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 11") } == 2)
        try store.put("v", forKey: "key 10")
        #expect(try rounds(store, read) { try store.remove("key 10") } == 2)
    }

    @Test func givesUp() throws {
        let store = try store(.hash)
        var rounds = 0
        let error = #expect(throws: StoreError.self) {
            try store.transaction(attempts: 5) { tx in
                rounds += 1
                _ = try tx.get("a")
                try store.put("\(rounds)", forKey: "a")
                try tx.put("lost", forKey: "b")
            }
        }
        #expect(error?.code == .conflict && rounds == 5)
        #expect(try store.get("b") == nil && store.get("a") == bytes("5"))
    }

    /// A body that saw two halves of a change may well fail: that is no error of anybody's.
    @Test func anErrorOfMixedMomentsIsNotTold() throws {
        struct Torn: Error {}
        let store = try store(.hash)
        try store.put("1", forKey: "a")
        try store.put("1", forKey: "b")
        var rounds = 0
        try store.transaction { tx in
            rounds += 1
            let a = try tx.get("a")
            if rounds == 1 {
                var batch = WriteBatch()
                batch.put("2", forKey: "a")
                batch.put("2", forKey: "b")
                try store.apply(batch)
            }
            guard try tx.get("b") == a else { throw Torn() }
        }
        #expect(rounds == 2)
    }

    /// An error that a body swallows is not taken for "no such key".
    @Test func aFailedReadCannotCommit() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10)
        try store.put(String(repeating: "value", count: 20), forKey: "damaged")
        let mapping = try #require(FileHandle(forUpdatingAtPath: pool.path))
        let image = try #require(try mapping.readToEnd())
        let place = try #require(image.range(of: Data("valuevalue".utf8)))
        try mapping.seek(toOffset: UInt64(place.lowerBound))
        try mapping.write(contentsOf: Data("VALUE".utf8))
        let error = #expect(throws: StoreError.self) {
            try store.transaction { tx in
                if (try? tx.get("damaged")) == nil { try tx.put("made up", forKey: "other") }
            }
        }
        #expect(error?.code == .corrupt)
        #expect(try store.get("other") == nil)
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

    // MARK: Threads

    /// How often a counter is raised. PMEMKV_COUNTER sets it; a million is its full length.
    static let raises =
        getenv("PMEMKV_COUNTER").flatMap { Int(String(cString: $0)) } ?? 20_000

    /// A counter that four threads raise by transactions is exact.
    @Test(arguments: [IOPath.mapped, .syscalls])
    func countsExactly(io: IOPath) throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 16 << 10) { $0.io = io }
        let rounds = io == .mapped ? Self.raises / 4 : 300
        let errors = SharedCount()
        onThreads(4) { _ in
            for _ in 0..<rounds {
                do {
                    try store.transaction(attempts: 10_000) { tx in
                        let value = try tx.get("n").map { String(decoding: $0, as: UTF8.self) }
                        try tx.put("\((value.flatMap { Int($0) } ?? 0) + 1)", forKey: "n")
                    }
                } catch {
                    Issue.record("\(error)")
                    errors.add()
                }
            }
        }
        #expect(errors.value == 0)
        #expect(try store.get("n") == bytes("\(4 * rounds)"))
    }

    /// Money goes from account to account, some of which come and go; whoever adds up, by a scan,
    /// by a snapshot or in a transaction, finds all of it.
    @Test(arguments: indexes)
    func moneyIsNeitherMadeNorLost(index: IndexKind) throws {
        let store = try store(index, size: 1 << 20)
        let accounts = 20
        for number in 0..<accounts { try store.put("100", forKey: "account \(number)") }
        let done = SharedCount()
        let errors = SharedCount()
        let audits = SharedCount()
        onThreads(6) { thread in
            var random = SplitMix(seed: UInt64(thread))
            do {
                if thread < 4 {
                    defer { done.add() }
                    for _ in 0..<1500 { try transfer(store, accounts, &random) }
                } else {
                    repeat {
                        let sum = try audit(store, inTransaction: thread == 5 && index == .ordered)
                        if sum != 100 * accounts { errors.add() }
                        audits.add()
                    } while done.value < 4
                }
            } catch {
                Issue.record("\(error)")
            }
        }
        #expect(errors.value == 0 && audits.value > 1)
        #expect(store.orderedProblem() == nil)
        let structure = try store.structure()
        #expect(structure.lost == 0 && structure.miscountedExtents == 0)
    }

    private func transfer(
        _ store: PmemStore, _ accounts: Int, _ random: inout SplitMix
    ) throws {
        let from = "account \(random.below(accounts))"
        let to = "account \(random.below(accounts))"
        let amount = 1 + random.below(150)
        try store.transaction(attempts: 10_000) { tx in
            func balance(_ key: String) throws(StoreError) -> Int {
                try tx.get(key).flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
            }
            let left = try balance(from) - amount
            guard left >= 0 else { return }
            // An account with nothing on it is closed.
            if left == 0 { try tx.remove(from) } else { try tx.put("\(left)", forKey: from) }
            try tx.put("\(try balance(to) + amount)", forKey: to)
        }
    }

    private func audit(_ store: PmemStore, inTransaction: Bool) throws -> Int {
        var sum = 0
        func add(_ value: RawSpan) -> Bool {
            sum += Int(text(value)) ?? 0
            return true
        }
        if inTransaction {
            try store.transaction(attempts: 10_000) { tx in
                sum = 0
                try tx.scan { add($1) }
            }
        } else {
            try store.scan { add($1) }
        }
        return sum
    }

    /// Each of two threads takes its key away only while the other's is there: one always is.
    @Test func noWriteSkew() throws {
        let store = try store(.hash)
        for _ in 0..<1000 {
            try store.put("1", forKey: "a")
            try store.put("1", forKey: "b")
            onThreads(2) { thread in
                let (own, other) = thread == 0 ? ("a", "b") : ("b", "a")
                do {
                    try store.transaction { tx in
                        if try tx.contains(other) { try tx.remove(own) }
                    }
                } catch {
                    Issue.record("\(error)")
                }
            }
            #expect(store.count == 1)
        }
    }
}
