// Transactions that others get in the way of.

import Foundation
import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Transactions and others' writes")
struct TransactionConflictTests {
    private static let indexes: [IndexKind] = [.hash, .ordered]

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
            { tx in _ = try entries(tx, range, reverse: reverse, limit: limit) }
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

    /// A scan that its body ended by an error, which the transaction then swallows, has read what
    /// it showed, and no more.
    @Test func aScanThatWasBrokenOffCounts() throws {
        let store = try store(.ordered)
        for number in 10..<20 { try store.put("v", forKey: "key \(number)") }
        func read(_ tx: Transaction) {
            try? tx.scan { key, _ throws(StoreError) in
                if text(key) == "key 13" { throw StoreError(.invalidArgument, "enough") }
                // Reads within reads.
                _ = try tx.get("key 19")
                return true
            }
        }
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 12a") } == 2)
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 13") } == 2)
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 13a") } == 1)
        #expect(try rounds(store, read) { try store.put("w", forKey: "key 19") } == 2)
    }

    /// A body that saw halves of two changes asked for more than the pool holds, and was told that
    /// the pool was full; a batch whose expectation was not met as well.
    @Test func aFullPoolIsOfNoInterestForWhatIsNotWritten() throws {
        let store = try store(.hash, size: 1 << 20)
        try store.put("1", forKey: "a")
        let huge = [UInt8](repeating: 1, count: 2 << 20)
        var rounds = 0
        try store.transaction { tx in
            rounds += 1
            let a = try tx.get("a")
            if rounds == 1 { try store.put("2", forKey: "a") }
            if a == bytes("1") { try tx.put(huge, forKey: "huge") }
        }
        #expect(rounds == 2)
        var batch = WriteBatch()
        batch.put(huge, forKey: "huge")
        #expect(try !store.apply(batch, expecting: [.absent("a")]))
        let error = #expect(throws: StoreError.self) {
            try store.apply(batch, expecting: [.absent("b")])
        }
        #expect(error?.code == .outOfSpace)
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

    /// Each of two takes its key away only while the other's is there, the second one within the
    /// first: one always is.
    @Test func noWriteSkew() throws {
        let store = try store(.hash)
        for key in ["a", "b"] { try store.put("1", forKey: key) }
        func takeAway(_ own: String, unless other: String, _ tx: Transaction) throws {
            if try tx.contains(other) { try tx.remove(own) }
        }
        var rounds = 0
        try store.transaction { tx in
            rounds += 1
            try takeAway("a", unless: "b", tx)
            if rounds == 1 { try store.transaction { try takeAway("b", unless: "a", $0) } }
        }
        #expect(try rounds == 2 && store.count == 1 && store.contains("a"))
    }
}
