// The store with its tables against a dictionary for each: everything that changes or reads keys,
// with snapshots that are held meanwhile. PMEMKV_MODEL_OPERATIONS sets how much, as in ModelTests.

import PmemKV
import Testing

@Suite struct TableModelTests {
    @Test(arguments: IndexKind.allCases, [IOPath.automatic, .syscalls])
    func noDifferenceToDictionaries(index: IndexKind, io: IOPath) throws {
        // A system call for each, and a round of the file system for many.
        let operations = ModelTests.operations / (io == .syscalls ? 20 : 4)
        var run = try TableModel(seed: .random(in: .min ... .max), index, io)
        for operation in 1...operations {
            do {
                try run.step()
                if operation % max(1, operations / 12) == 0 { try run.reopen() }
            } catch {
                Issue.record("operation \(operation), seed \(run.seed): \(error)")
                return
            }
        }
        try run.reopen()
        try run.store.close()
        #expect(try PmemStore.check(at: run.pool.path).isSound)
    }
}

private struct TableModel {
    typealias Entries = [String: String]

    let seed: UInt64
    let pool = TemporaryPool()
    private(set) var store: PmemStore
    private let options: OpenOptions
    private var generator: ModelGenerator
    /// By the tables' names, empty for the unnamed one; a table that is not there has no entry.
    private var model: [String: Entries] = ["": [:]]
    private var snapshots: [(snapshot: Snapshot, seen: [String: Entries])] = []
    private var number = 0

    private static let names = ["", "a", "b", "the longest name of them all", "ü"]

    init(seed: UInt64, _ index: IndexKind, _ io: IOPath) throws {
        self.seed = seed
        generator = ModelGenerator(state: seed)
        var create = CreateOptions(size: 4 << 20, segmentSize: 16 << 10)
        (create.open.index, create.open.io) = (index, io)
        options = create.open
        store = try PmemStore.create(at: pool.path, options: create)
    }

    private mutating func below(_ limit: Int) -> Int {
        Int.random(in: 0..<limit, using: &generator)
    }

    private mutating func key() -> String { "key \(below(60))" }

    private mutating func value() -> String {
        number += 1
        return "\(number) " + String(repeating: "x", count: [0, 1, 30, 200, 3000][below(5)])
    }

    private func space(_ name: String) throws -> any KeySpace {
        name.isEmpty ? store : try store.table(named: name)
    }

    private func text(_ bytes: [UInt8]?) -> String? {
        bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    private func expect(_ holds: Bool, _ what: String) throws {
        if !holds { throw Difference(what: what) }
    }

    struct Difference: Error {
        let what: String
    }

    mutating func step() throws {
        let name = Self.names[below(Self.names.count)]
        let (key, keys) = (key(), try space(name))
        switch below(100) {
        case 0..<35:
            let value = value()
            try keys.put(value, forKey: key, durability: below(4) == 0 ? .relaxed : .durable)
            model[name, default: [:]][key] = value
        case 35..<50:
            let wasThere = try keys.remove(key, durability: .durable)
            try expect(wasThere == (model[name]?.removeValue(forKey: key) != nil), "remove")
        case 50..<65:
            try expect(text(try keys.get(key)) == model[name]?[key], "get")
            try expect(try keys.contains(key) == (model[name]?[key] != nil), "contains")
        case 65..<70: try update(name, key, keys)
        case 70..<76: try batch()
        case 76..<82: try transaction()
        case 82..<84: try scan(name, keys)
        case 84..<86:
            try expect(keys.count == model[name]?.count ?? 0, "count of '\(name)'")
        case 86..<88: try empty(name)
        case 88..<92: try takeSnapshot()
        case 92..<96: try readSnapshot(name, key)
        case 96..<97: try store.compact()
        case 97..<98: try store.sync()
        default: try listTables()
        }
    }

    private mutating func update(_ name: String, _ key: String, _ keys: any KeySpace) throws {
        let value = value()
        let choice = below(3)
        var seen: String?
        try keys.update(key) { current in
            if let current {
                seen = current.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }
            return choice == 0 ? .keep : choice == 1 ? .remove : .set(Array(value.utf8))
        }
        try expect(seen == model[name]?[key], "update")
        if choice == 1 { model[name]?[key] = nil }
        if choice == 2 { model[name, default: [:]][key] = value }
    }

    private mutating func batch() throws {
        var batch = WriteBatch()
        var next = model
        for _ in 0..<(1 + below(6)) {
            let (name, key) = (Self.names[below(Self.names.count)], key())
            let table = name.isEmpty ? nil : name
            if below(4) == 0 {
                batch.remove(key, in: table)
                next[name]?[key] = nil
            } else {
                let value = value()
                batch.put(value, forKey: key, in: table)
                next[name, default: [:]][key] = value
            }
        }
        let (name, key) = (Self.names[below(Self.names.count)], key())
        let known = model[name]?[key]
        let table = name.isEmpty ? nil : name
        let isRight = below(3) > 0
        let expectation: PmemKV.Expectation =
            if let known {
                .value(isRight ? known : known + "!", forKey: key, in: table)
            } else {
                isRight ? .absent(key, in: table) : .value("!", forKey: key, in: table)
            }
        try expect(try store.apply(batch, expecting: [expectation]) == isRight, "apply")
        if isRight {
            model = next
        } else {
            // A table for a batch that is not applied may be there.
            for table in try store.tables() where model[table.name] == nil {
                model[table.name] = [:]
            }
        }
    }

    private mutating func transaction() throws {
        let names = (0..<2).map { _ in Self.names[below(Self.names.count)] }
        let (key, value, fails) = (key(), value(), below(4) == 0)
        struct Failed: Error {}
        do {
            let seen = try store.transaction { tx -> [String?] in
                let reading: any EntryReading =
                    names[0].isEmpty ? tx : try tx.table(named: names[0])
                let seen = text(try reading.get(key))
                if names[1].isEmpty {
                    try tx.put(value, forKey: key)
                } else {
                    try tx.table(named: names[1]).put(value, forKey: key)
                }
                if fails { throw Failed() }
                return [seen, text(try reading.get(key))]
            }
            try expect(seen[0] == model[names[0]]?[key], "a read of a transaction")
            model[names[1], default: [:]][key] = value
            try expect(seen[1] == model[names[0]]?[key], "a read of its own write")
        } catch is Failed {
            return
        }
    }

    private mutating func scan(_ name: String, _ keys: any EntryReading) throws {
        try scan(keys, model[name] ?? [:], "scan of '\(name)'")
    }

    private mutating func scan(
        _ keys: any EntryReading, _ expected: Entries, _ what: String
    ) throws {
        let (reverse, prefix) = (below(2) == 0, "key \(below(6))")
        let found = try keys.entries(.prefix(prefix), reverse: reverse).map {
            "\(text($0.key)!)=\(text($0.value)!)"
        }
        let sorted = expected.filter { $0.key.hasPrefix(prefix) }.sorted {
            $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) != reverse
        }
        try expect(found == sorted.map { "\($0.key)=\($0.value)" }, what)
    }

    private mutating func empty(_ name: String) throws {
        guard !name.isEmpty else {
            try store.clear()
            model[name] = [:]
            return
        }
        let drops = below(2) == 0
        let table = try store.table(named: name)
        try expect(try (drops ? table.drop() : table.clear()) == (model[name] != nil), "emptying")
        if model[name] != nil { model[name] = drops ? nil : [:] }
    }

    private mutating func takeSnapshot() throws {
        if snapshots.count == 3 { snapshots.remove(at: below(3)).snapshot.end() }
        snapshots.append((try store.snapshot(), model))
    }

    private mutating func readSnapshot(_ name: String, _ key: String) throws {
        guard !snapshots.isEmpty else { return }
        let (snapshot, seen) = snapshots[below(snapshots.count)]
        do {
            let keys: any EntryReading =
                name.isEmpty ? snapshot : try snapshot.table(named: name)
            try expect(text(try keys.get(key)) == seen[name]?[key], "get of a snapshot")
            let count = name.isEmpty ? snapshot.count : try snapshot.table(named: name).count
            try expect(count == seen[name]?.count ?? 0, "count of a snapshot")
            try scan(keys, seen[name] ?? [:], "scan of a snapshot")
        } catch let error as StoreError where error.code == .snapshotTooOld {
            return
        }
    }

    private func listTables() throws {
        let names = try store.tables().map { "\($0.name)=\($0.count)" }
        let expected = model.filter { !$0.key.isEmpty }.map { "\($0.key)=\($0.value.count)" }
        try expect(Set(names) == Set(expected), "the tables")
        let keys = model.values.reduce(0) { $0 + $1.count }
        try expect(store.statistics.keys == keys, "the keys of all tables")
    }

    /// Closes the store or lets go of it as a killed process would, opens it, and compares all.
    mutating func reopen() throws {
        snapshots = []
        try store.sync()
        if below(2) == 0 { try store.close() } else { store.abandon() }
        store = try PmemStore.open(at: pool.path, options: options)
        for name in Self.names {
            let found = try space(name).entries()
            let expected = model[name] ?? [:]
            try expect(found.count == expected.count, "entries of '\(name)' after opening")
            for (key, value) in found {
                try expect(text(value) == expected[text(key)!], "a value after opening")
            }
            try expect(try space(name).count == expected.count, "count of '\(name)' after opening")
        }
        try listTables()
    }
}
