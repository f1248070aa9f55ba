// Snapshots: what they see stays, whatever happens to the store.

import Foundation
import PmemKVTesting
import Synchronization
import Testing

@testable import PmemKV

@Suite("Snapshots")
struct SnapshotTests {
    private func entries(
        _ scan: (KeyRange, Bool, (RawSpan, RawSpan) -> Bool) throws -> Void,
        reverse: Bool = false
    ) throws -> [[UInt8]: [UInt8]] {
        var found: [[UInt8]: [UInt8]] = [:]
        var last: [UInt8]?
        try scan(.all, reverse) { key, value in
            let key = key.withByteView { $0.array }
            if let last { #expect(last.lexicographicallyPrecedes(key) != reverse) }
            last = key
            #expect(found[key] == nil)
            found[key] = value.withByteView { $0.array }
            return true
        }
        return found
    }

    private func entries(_ snapshot: Snapshot, reverse: Bool) throws -> [[UInt8]: [UInt8]] {
        try entries({ try snapshot.scan($0, reverse: $1, $2) }, reverse: reverse)
    }

    /// Random puts, overwrites, removals, batches and compactions; snapshots taken and ended at
    /// random, each compared with a copy of the dictionary as it was.
    @Test(arguments: [IndexKind.hash, .ordered], [UInt64](1...4))
    func answerAsTheyDidWhenTheyWereTaken(index: IndexKind, seed: UInt64) throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10) {
            $0.index = index
            $0.engine.heads = 2
        }
        var random = SplitMix(seed: seed)
        var model: [[UInt8]: [UInt8]] = [:]
        var held: [(snapshot: Snapshot, model: [[UInt8]: [UInt8]])] = []
        func key() -> [UInt8] { Array("key \(Int.random(in: 0..<300, using: &random))".utf8) }
        func value() -> [UInt8] {
            (0..<Int.random(in: 0...600, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
        }
        for round in 0..<4000 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<50:
                let (key, value) = (key(), value())
                try store.put(value, forKey: key)
                model[key] = value
            case 50..<80:
                let key = key()
                #expect(try store.remove(key) == (model.removeValue(forKey: key) != nil))
            case 80..<88:
                var batch = WriteBatch()
                for _ in 0..<6 {
                    let (key, value) = (key(), value())
                    if Bool.random(using: &random) {
                        batch.put(value, forKey: key)
                        model[key] = value
                    } else {
                        batch.remove(key)
                        model[key] = nil
                    }
                }
                try store.apply(batch)
            case 88..<91: try store.compact()
            case 91..<94 where held.count < 4: held.append((try store.snapshot(), model))
            case 94..<96 where !held.isEmpty:
                held.remove(at: Int.random(in: 0..<held.count, using: &random)).snapshot.end()
            default:
                guard let (snapshot, model) = held.randomElement(using: &random) else { continue }
                let key = key()
                try #require(snapshot.get(key) == model[key], "round \(round)")
                #expect(try snapshot.contains(key) == (model[key] != nil))
            }
            guard round % 200 == 199 else { continue }
            for (snapshot, model) in held {
                #expect(snapshot.count == model.count)
                let found = try entries(snapshot, reverse: round % 400 == 199)
                let wrong = Set(found.keys).union(model.keys).filter { found[$0] != model[$0] }
                try #require(wrong.isEmpty, "round \(round): \(wrong.count) of \(model.count)")
            }
            #expect(try entries { try store.scan($0, reverse: $1, $2) } == model)
            #expect(store.count == model.count)
            #expect(try store.structure().miscountedExtents == 0)
            #expect(store.orderedProblem() == nil || !held.isEmpty)
        }
        held.removeAll()
        #expect(store.statistics.snapshots == 0 && store.statistics.keptBytes == 0)
        #expect(store.orderedProblem() == nil)
        try store.compact()
        #expect(try store.structure().miscountedExtents == 0)
        try store.close()
        let again = try pool.open { $0.index = index }
        #expect(try entries { try again.scan($0, reverse: $1, $2) } == model)
    }

    /// What a snapshot keeps fills the pool: it ends, not the writer.
    @Test(arguments: [IndexKind.hash, .ordered])
    func aForgottenOneEndsBeforeAWriterIsRefused(index: IndexKind) throws {
        let store = try TemporaryPool().create(1 << 20, segmentSize: 16 << 10) {
            $0.index = index
        }
        let value = [UInt8](repeating: 1, count: 1000)
        let keys = 0..<500
        for key in keys { try store.put(value, forKey: "key \(key)") }
        let first = try store.snapshot()
        for round in 0..<20 {
            for key in keys { try store.put(value, forKey: "key \(key)") }
            if round == 10 { #expect(try store.snapshot().get("key 7") == value) }
        }
        let error = #expect(throws: StoreError.self) { try first.get("key 7") }
        #expect(error?.code == .snapshotTooOld)
        #expect(first.count == 500 && store.count == 500)
        let second = #expect(throws: StoreError.self) { try first.scan { _, _ in true } }
        #expect(second?.code == .snapshotTooOld)
        #expect(store.statistics.keptBytes == 0)
    }

    /// A scan that overwrites, or removes, what it shows keeps none of it: in a pool that has no
    /// room for all of it twice it comes to its end.
    @Test(arguments: [IndexKind.hash, .ordered], [false, true])
    func aScanThatChangesWhatItShowsComesToItsEnd(index: IndexKind, reverse: Bool) throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 16 << 10) {
            $0.index = index
        }
        let value = [UInt8](repeating: 1, count: 200)
        let count = (2 << 20) * 60 / 100 / 256
        func key(_ number: Int) -> String { "a rather long common prefix \(10_000 + number)" }
        for number in 0..<count { try store.put(value, forKey: key(number)) }
        var mostKept = 0
        for round in 0..<3 {
            var shown = 0
            try store.scan(reverse: reverse) { keyBytes, old in
                let key = keyBytes.withByteView { $0.array }
                #expect(old.withByteView { $0.count } == 200 + round)
                shown += 1
                let longer = value + [UInt8](repeating: 2, count: round + 1)
                do { try store.put(longer, forKey: key) } catch { Issue.record(error) }
                mostKept = max(mostKept, store.engine.snapshots.keptUnits.bytes)
                return true
            }
            #expect(shown == count)
        }
        #expect(mostKept < 64 << 10)
        #expect(store.statistics.keptBytes == 0 && store.statistics.snapshots == 0)
    }

    /// With the ordered index the slots of removed keys went with the snapshot, and a scan that was
    /// under way left them out without a word.
    @Test(arguments: [IndexKind.hash, .ordered])
    func aScanWhoseSnapshotEndsSaysSo(index: IndexKind) throws {
        let store = try TemporaryPool().create(4 << 20) { $0.index = index }
        for key in 1000..<2000 { try store.put("value", forKey: "key \(key)") }
        let snapshot = try store.snapshot()
        var shown = 0
        let error = #expect(throws: StoreError.self) {
            try snapshot.scan { _, _ in
                shown += 1
                if shown == 10 {
                    for key in 1500..<2000 { _ = try? store.remove("key \(key)") }
                    snapshot.end()
                }
                return true
            }
        }
        #expect(error?.code == .snapshotTooOld && shown < 1000)
        #expect(store.orderedProblem() == nil)
    }

    /// A value that is longer than the pool could ever hold ended all snapshots before it was
    /// refused.
    @Test func whatCannotFitEndsNone() throws {
        let store = try TemporaryPool().create(1 << 20, segmentSize: 16 << 10)
        let value = [UInt8](repeating: 1, count: 1000)
        for key in 0..<400 { try store.put(value, forKey: "key \(key)") }
        let snapshot = try store.snapshot()
        for key in 0..<50 { try store.put("new", forKey: "key \(key)") }
        let long = [UInt8](repeating: 2, count: 900 << 10)
        let error = #expect(throws: StoreError.self) { try store.put(long, forKey: "long") }
        #expect(error?.code == .outOfSpace)
        #expect(try snapshot.get("key 7") == value && store.statistics.snapshots == 1)
    }

    /// It says `closed` then, and ending it touches nothing of a pool that is gone.
    @Test(arguments: [IndexKind.hash, .ordered], [false, true])
    func outlivesItsStoreWithoutHarm(index: IndexKind, abandons: Bool) throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20) { $0.index = index }
        for key in 0..<50 { try store.put("old", forKey: "key \(key)") }
        let snapshot = try store.snapshot()
        for key in 0..<50 { try store.remove("key \(key)") }
        #expect(try snapshot.get("key 3") == Array("old".utf8) && store.get("key 3") == nil)
        if abandons { store.abandon() } else { try store.close() }
        let error = #expect(throws: StoreError.self) { try snapshot.get("key 3") }
        #expect(error?.code == .closed)
        let again = #expect(throws: StoreError.self) { try snapshot.scan { _, _ in true } }
        #expect(again?.code == .closed)
        snapshot.end()
        let reopened = try pool.open()
        #expect(reopened.count == 0)
    }

    /// Three writers move money between accounts, two at a time; whoever adds up sees all of it.
    @Test(arguments: [IndexKind.hash, .ordered])
    func auditsAddUp(index: IndexKind) throws {
        let store = try TemporaryPool().create(4 << 20, segmentSize: 64 << 10) {
            $0.index = index
        }
        let bank = Bank(store)
        try bank.openAccounts()
        let done = Atomic(0)
        let wrong = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            do {
                if thread < 3 {
                    try bank.transfer(thread, count: 3000)
                } else {
                    var audits = 0
                    while done.load(ordering: .acquiring) < 3 || audits < 20 {
                        audits += 1
                        if try !bank.addsUp(audits) { wrong.add(1, ordering: .relaxed) }
                    }
                }
            } catch {
                wrong.add(1, ordering: .relaxed)
            }
            done.add(1, ordering: .releasing)
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(store.statistics.keptBytes == 0)
    }

    /// A scan of other keys saw the record by its number, but had not asked for it: when the
    /// snapshot that had was gone, so was whoever would have let go of the record.
    @Test(arguments: [IndexKind.hash, .ordered])
    func whatTwoSeeAndOneAskedForIsNotKeptForEver(index: IndexKind) throws {
        let store = try TemporaryPool().create(1 << 20) { $0.index = index }
        for key in ["a", "z"] { try store.put("old", forKey: key) }
        let snapshot = try store.snapshot()
        try store.scan(KeyRange(from: "z")) { _, _ throws(StoreError) in
            try store.remove("a")
            snapshot.end()
            return true
        }
        #expect(store.statistics.keptBytes == 0)
        #expect(store.orderedProblem() == nil)
    }
}

private struct Bank: Sendable {
    let store: PmemStore
    private static let accounts = 64
    private static let total = 1000 * accounts

    init(_ store: PmemStore) { self.store = store }

    private func key(_ number: Int) -> String { "account \(number)" }

    private func amount(_ value: [UInt8]?) -> Int {
        Int(String(decoding: value ?? [], as: UTF8.self)) ?? 0
    }

    func openAccounts() throws {
        for number in 0..<Self.accounts { try store.put("1000", forKey: key(number)) }
    }

    /// Each writer has accounts of its own, so that what it has read is still right.
    func transfer(_ writer: Int, count: Int) throws {
        var random = SplitMix(seed: UInt64(writer))
        let own = stride(from: writer, to: Self.accounts, by: 3).map(key)
        for _ in 0..<count {
            let from = own.randomElement(using: &random)!
            let to = own.randomElement(using: &random)!
            guard from != to else { continue }
            let balance = amount(try store.get(from))
            let sum = Int.random(in: 0...balance, using: &random)
            var batch = WriteBatch()
            batch.put("\(balance - sum)", forKey: from)
            batch.put("\(amount(try store.get(to)) + sum)", forKey: to)
            try store.apply(batch)
        }
    }

    func addsUp(_ number: Int) throws -> Bool {
        var scanned = 0
        try store.scan(reverse: number % 2 == 0) { _, value in
            scanned += amount(value.withByteView { $0.array })
            return true
        }
        let snapshot = try store.snapshot()
        let read = try (0..<Self.accounts).reduce(0) { try $0 + amount(snapshot.get(key($1))) }
        return scanned == Self.total && read == Self.total && snapshot.count == Self.accounts
    }
}
