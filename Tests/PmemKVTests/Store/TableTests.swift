import Foundation
import Testing

@testable import PmemKV

/// Tables: keys, order and count of their own in one pool.
@Suite struct TableTests {
    private static let indexes: [IndexKind] = [.hash, .ordered]

    private func entries(_ reader: some EntryReading) throws -> [String] {
        try reader.entries().map { key, value in
            let (key, value) = (
                String(decoding: key, as: UTF8.self), String(decoding: value, as: UTF8.self)
            )
            return "\(key)=\(value)"
        }
    }

    private func value(_ reader: some EntryReading, _ key: String) throws -> String? {
        try reader.get(key).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: indexes, [IOPath.mapped, .syscalls])
    func aKeyIsItsTablesOwn(index: IndexKind, io: IOPath) throws {
        let pool = TemporaryPool()
        var store = try pool.create(4 << 20, segmentSize: 64 << 10) {
            ($0.index, $0.io) = (index, io)
        }
        for round in 0..<3 {
            let users = try store.table(named: "users")
            let orders = try store.table(named: "orders")
            if round == 0 {
                #expect(!users.isThere)
                #expect(try users.get("k") == nil)
                #expect(try !users.remove("k"))
                #expect(try entries(users) == [])
                #expect(try store.tables() == [])
                #expect(!store.engine.log.root.current.features.contains(.tables))
                try store.put("unnamed", forKey: "k")
                try users.put("user", forKey: "k")
                try users.put("user 2", forKey: "k2")
                try orders.put("order", forKey: "k")
                try orders.put("", forKey: "a")
            }
            #expect(try value(store, "k") == "unnamed")
            #expect(try value(users, "k") == "user")
            #expect(try value(orders, "k") == "order")
            #expect(try store.get("k2") == nil)
            #expect(try orders.get("k2") == nil)
            #expect(try users.contains("k2") && !orders.contains("k2"))
            #expect(try entries(store) == ["k=unnamed"])
            #expect(try entries(users) == ["k=user", "k2=user 2"])
            #expect(try entries(orders) == ["a=", "k=order"])
            #expect((store.count, users.count, orders.count) == (1, 2, 2))
            #expect((store.statistics.keys, store.statistics.tables) == (5, 2))
            #expect(
                try store.tables() == [
                    TableInfo(name: "orders", count: 2), TableInfo(name: "users", count: 2),
                ])
            #expect(store.orderedProblem() == nil)
            if round == 1 { store.abandon() } else { try store.close() }
            #expect(try PmemStore.check(at: pool.path).damage == [])
            store = try pool.open { ($0.index, $0.io, $0.readOnly) = (index, io, round == 1) }
        }
    }

    @Test(arguments: indexes, [false, true])
    func whatIsDroppedStaysGone(index: IndexKind, crashes: Bool) throws {
        let pool = TemporaryPool()
        var store = try pool.create(4 << 20, segmentSize: 16 << 10) { $0.index = index }
        var table = try store.table(named: "t")
        let other = try store.table(named: "other")
        for number in 0..<2000 {
            try table.put("old", forKey: "key \(number)")
            try store.put("kept", forKey: "key \(number)")
            try other.put("kept", forKey: "key \(number)")
        }
        #expect(try table.drop())
        #expect(try !table.drop())
        #expect(!table.isThere && table.count == 0)
        #expect(try table.get("key 7") == nil)
        #expect(try entries(table) == [])
        try table.put("new", forKey: "key 3")
        for _ in 0..<2 {
            #expect(try entries(table) == ["key 3=new"])
            #expect(table.count == 1)
            #expect(store.count == 2000)
            #expect(try store.table(named: "other").count == 2000)
            #expect(try store.entries().count == 2000)
            #expect(store.orderedProblem() == nil)
            #expect(try store.structure().miscountedExtents == 0)
            if crashes { store.abandon() } else { try store.close() }
            #expect(try PmemStore.check(at: pool.path).damage == [])
            store = try pool.open { $0.index = index }
            table = try store.table(named: "t")
        }
    }

    @Test(arguments: indexes, [false, true])
    func theUnnamedTableIsClearedAsWell(index: IndexKind, crashes: Bool) throws {
        let pool = TemporaryPool()
        var store = try pool.create(4 << 20, segmentSize: 16 << 10) { $0.index = index }
        let table = try store.table(named: "t")
        for number in 0..<2000 {
            try store.put("old", forKey: "key \(number)")
            try table.put("kept", forKey: "key \(number)")
        }
        try store.clear()
        #expect(store.count == 0)
        #expect(try store.get("key 7") == nil)
        #expect(try !store.remove("key 7"))
        try store.put("new", forKey: "key 3")
        for _ in 0..<2 {
            #expect(try entries(store) == ["key 3=new"])
            #expect(store.count == 1)
            #expect(try store.table(named: "t").count == 2000)
            #expect(store.orderedProblem() == nil)
            #expect(try store.structure().miscountedExtents == 0)
            if crashes { store.abandon() } else { try store.close() }
            store = try pool.open { $0.index = index }
        }
    }

    @Test(arguments: indexes)
    func aSnapshotSeesTheTablesOfItsMoment(index: IndexKind) throws {
        let store = try store(index)
        let table = try store.table(named: "t")
        for number in 0..<100 { try table.put("old", forKey: "key \(number)") }
        try store.put("unnamed", forKey: "k")
        let snapshot = try store.snapshot()
        let cursorTable = try snapshot.table(named: "t")
        try table.drop()
        try store.clear()
        try table.put("new", forKey: "key 1")
        let later = try store.snapshot()
        try table.clear()
        try table.put("newest", forKey: "key 2")
        try store.compact()
        #expect(cursorTable.count == 100)
        #expect(try value(cursorTable, "key 1") == "old")
        #expect(try cursorTable.entries().count == 100)
        #expect(try entries(snapshot) == ["k=unnamed"])
        #expect(snapshot.count == 1)
        #expect(snapshot.tables == [TableInfo(name: "t", count: 100)])
        #expect(try entries(later.table(named: "t")) == ["key 1=new"])
        #expect(try entries(later) == [])
        #expect(try entries(table) == ["key 2=newest"])
        #expect(try snapshot.table(named: "other").entries().isEmpty)
        snapshot.end()
        later.end()
        #expect(store.statistics.keptBytes == 0)
        #expect(store.orderedProblem() == nil)
        #expect(try store.structure().miscountedExtents == 0)
    }

    @Test(arguments: indexes)
    func batchesAndTransactionsGoAcrossTables(index: IndexKind) throws {
        let store = try store(index)
        var batch = WriteBatch()
        batch.put("1", forKey: "k")
        batch.put("2", forKey: "k", in: "a")
        batch.put("3", forKey: "k", in: "b")
        batch.put("4", forKey: "k", in: "a")
        batch.remove("k", in: "none")
        try store.apply(batch)
        #expect(try value(store, "k") == "1")
        #expect(try value(store.table(named: "a"), "k") == "4")
        #expect(try value(store.table(named: "b"), "k") == "3")
        #expect(try store.tables().map(\.name) == ["a", "b"])
        try store.transaction(attempts: 1) { tx in
            let a = try tx.table(named: "a")
            let new = try tx.table(named: "new")
            #expect(try self.value(a, "k") == "4")
            #expect(try self.value(new, "k") == nil)
            try new.put("5", forKey: "k")
            try a.remove("k")
            try tx.put("6", forKey: "k")
            #expect(try self.value(a, "k") == nil)
            #expect(try self.value(new, "k") == "5")
            #expect(try store.tables().map(\.name) == ["a", "b"], "not before it commits")
        }
        #expect(try store.tables().map(\.count) == [0, 1, 1])
        #expect(try value(store.table(named: "new"), "k") == "5")
        try store.transaction { tx in
            let table = try tx.table(named: "newer")
            #expect(try self.entries(table) == [])
            try table.put("1", forKey: "k")
            #expect(try self.entries(table) == ["k=1"])
            #expect(try self.entries(tx) == ["k=6"])
        }
        #expect(
            try store.apply(batch, expecting: [.absent("k", in: "a"), .absent("k", in: "none")]))
        #expect(try !store.apply(batch, expecting: [.absent("k", in: "a")]))
        batch.put("7", forKey: "k", in: "made for it")
        #expect(try store.apply(batch, expecting: [.absent("k", in: "made for it")]))
        #expect(try !store.apply(batch, expecting: [.absent("k", in: "made for it")]))
        #expect(try store.apply(batch, expecting: [.value("4", forKey: "k", in: "a")]))
    }

    @Test func aTransactionConflictsWithATableThatGoes() throws {
        let store = try store(.ordered)
        let table = try store.table(named: "t")
        try table.put("1", forKey: "k")
        var runs = 0
        try store.transaction { tx in
            runs += 1
            let seen = try self.value(tx.table(named: "t"), "k")
            if runs == 1 { try table.drop() }
            try tx.put(seen ?? "nothing", forKey: "seen")
        }
        #expect(runs == 2)
        #expect(try value(store, "seen") == "nothing")
        runs = 0
        try store.transaction { tx in
            runs += 1
            let seen = try self.value(tx.table(named: "t"), "k")
            if runs == 1 { try table.put("2", forKey: "k") }
            try tx.put(seen ?? "nothing", forKey: "seen")
        }
        #expect(runs == 2)
        #expect(try value(store, "seen") == "2")
    }

    @Test func updatesOfATable() throws {
        let store = try store(.hash)
        let table = try store.table(named: "t")
        try table.update("k") { _ in .keep }
        try table.update("k") { _ in .remove }
        #expect(!table.isThere)
        try table.update("k") { $0 == nil ? .set(bytes("1")) : .keep }
        #expect(try value(table, "k") == "1")
        #expect(try table.compareAndSet("k", expected: bytes("1"), to: bytes("2")))
        #expect(try !table.compareAndSet("k", expected: bytes("1"), to: bytes("3")))
        #expect(try table.compareAndSet("k", expected: bytes("2"), to: nil))
        #expect(table.count == 0 && table.isThere)
    }

    @Test func namesThatAreNone() throws {
        let store = try store(.hash)
        for name in ["", String(repeating: "x", count: 256)] {
            #expect(throws: StoreError.self) { try store.table(named: name) }
            var batch = WriteBatch()
            batch.put("v", forKey: "k", in: name)
            #expect(throws: StoreError.self) { try store.apply(batch) }
        }
        let longest = String(repeating: "ü", count: 127) + "x"
        try store.table(named: longest).put("v", forKey: "k")
        #expect(try store.tables().map(\.name) == [longest])
    }

    @Test(arguments: indexes)
    func backupAndRepairTakeTablesAlong(index: IndexKind) throws {
        let pool = TemporaryPool()
        let store = try pool.create(2 << 20, segmentSize: 16 << 10) { $0.index = index }
        for name in ["gone", "a", "b"] {
            let table = try store.table(named: name)
            for number in 0..<200 { try table.put(name, forKey: "key \(number)") }
        }
        try store.put("unnamed", forKey: "k")
        try store.table(named: "gone").drop()
        try store.table(named: "b").clear()
        try store.table(named: "b").put("new", forKey: "key 1")
        let (copy, repaired) = (TemporaryPool(), TemporaryPool())
        try store.backup(to: copy.path)
        store.abandon()
        _ = try PmemStore.repair(at: pool.path, to: repaired.path)
        for pool in [copy, repaired] {
            let store = try pool.open { $0.index = index }
            #expect(
                try store.tables() == [
                    TableInfo(name: "a", count: 200), TableInfo(name: "b", count: 1),
                ])
            #expect(try entries(store) == ["k=unnamed"])
            #expect(try entries(store.table(named: "b")) == ["key 1=new"])
            #expect(try store.table(named: "a").entries().count == 200)
            #expect(store.count == 1)
            // The number of the one that is gone is used again.
            try store.table(named: "again").put("v", forKey: "key 5")
            #expect(try entries(store.table(named: "again")) == ["key 5=v"])
            try store.close()
        }
    }

    @Test func nothingIsWrittenWhereThereIsNothingToEmpty() throws {
        let store = try store(.hash)
        try store.put("v", forKey: "k")
        #expect(try !store.table(named: "none").drop())
        #expect(try !store.table(named: "none").clear())
        try store.remove("k")
        try store.clear()
        #expect(store.engine.records.index.count == 0, "no record of the catalog")
        // What it was asked on the way makes the pool no other one.
        #expect(try store.tables() == [])
        #expect(throws: StoreError.self) { try store.table(named: "two\nlines") }
    }

    /// The counts of a checkpoint were taken for true though what it knew of extents that had gone
    /// was left out, and counted once more where it stood by then.
    @Test(arguments: [false, true])
    func countsHoldBehindAnOldCheckpoint(closes: Bool) throws {
        let pool = TemporaryPool()
        var store = try pool.create(2 << 20, segmentSize: 16 << 10) {
            $0.engine.checkpointThreshold = 1
        }
        var table = try store.table(named: "t")
        for number in 0..<2000 { try table.put("value \(number)", forKey: "key \(number)") }
        try store.put("v", forKey: "k")
        try store.close()
        store = try pool.open { $0.engine.checkpointThreshold = .max }
        #expect(store.recoveryReport.usedCheckpoint)
        table = try store.table(named: "t")
        for number in 0..<1500 { try table.put("again", forKey: "key \(number)") }
        for number in 1500..<1700 { try table.remove("key \(number)") }
        try store.compact()
        if closes { try store.close() } else { store.abandon() }
        store = try pool.open()
        #expect(store.recoveryReport.usedCheckpoint)
        #expect(try store.tables() == [TableInfo(name: "t", count: 1800)])
        #expect(store.count == 1)
    }

    /// A floor that was raised behind a snapshot's number was taken for its own: an ordered scan
    /// showed some of what had been there, and what came later.
    @Test(arguments: indexes)
    func aScanBesideAClearIsOfOneMoment(index: IndexKind) throws {
        let store = try store(index)
        for number in 0..<10 { try store.put("old", forKey: "key \(number)") }
        var looks = 0
        let found = try store.engine.beginSnapshot(of: .all) {
            looks += 1
            if looks == 2 {
                try? store.clear()
                try? store.put("new", forKey: "key 3")
            }
            return store.records.unnamedTable
        }
        let (snapshot, table) = try #require(found)
        #expect(table.floor <= snapshot.number)
        store.engine.space.end(snapshot)
        #expect(looks == 4)
    }

    /// A table whose record in the catalog is lost took all behind it along: their keys stood in
    /// no table, and came back in the next ones that were made.
    @Test func repairKeepsTablesWithoutNames() throws {
        let (pool, repaired) = (TemporaryPool(), TemporaryPool())
        let store = try pool.create(2 << 20, segmentSize: 16 << 10)
        for name in ["first table", "second table"] {
            for number in 0..<5 {
                try store.table(named: name).put(name, forKey: "key \(number)")
            }
        }
        try store.close()
        var file = try Data(contentsOf: URL(filePath: pool.path))
        let place = try #require(file.range(of: Data("\u{1}\0\0\0\0\0\0\0first table".utf8)))
        file[place.upperBound - 1] ^= 1
        try file.write(to: URL(filePath: pool.path))
        #expect(throws: StoreError.self) { try pool.open() }
        let report = try PmemStore.repair(at: pool.path, to: repaired.path)
        #expect(!report.isComplete)
        let again = try repaired.open()
        #expect(
            try again.tables() == [
                TableInfo(name: "recovered 1", count: 5), TableInfo(name: "second table", count: 5),
            ])
        try again.table(named: "new").put("v", forKey: "k")
        #expect(try again.table(named: "new").count == 1)
        #expect(again.count == 0)
    }
}
