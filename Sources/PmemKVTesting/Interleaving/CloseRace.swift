import Glibc
import PmemKV

/// One operation of each kind against a close that comes in the middle of it.
///
/// Whatever the order of their steps: the operation does what it says or throws `closed`, nothing
/// reaches the medium behind the close, the pool was closed cleanly, and the next open finds what
/// was acknowledged and nothing else.
package final class CloseRace {
    package enum Act: CaseIterable, Sendable {
        case put, overwrite, relaxedPut, longPut, remove, shortBatch, longBatch, update
        case compareAndSet, get, withValue, contains, scan, compact, step, sync, backup, statistics
        case transaction, readOnlyTransaction, expectation, cursor
        case clear, tablePut, drop
    }

    private let races: [Race]
    private var problem: String?
    /// What the store holds, as far as it has been acknowledged.
    private var model: [[UInt8]: [UInt8]] = [:]
    /// And a table of it.
    private var table: [[UInt8]: [UInt8]] = [:]

    package init() {
        races = [PersistenceModel.direct, .paged].map { model in
            var shape = PoolShape()
            shape.segments = 16
            shape.heads = 2
            shape.sequenceStep = 16
            shape.checkpointThreshold = 4
            shape.model = model
            return Race(shape)
        }
    }

    private static func key(_ number: Int) -> [UInt8] { Array("key \(number)".utf8) }

    private static func value(_ number: Int, _ length: Int) -> [UInt8] {
        PoolShape.value(step: number, key: length, length: length)
    }

    /// Runs one interleaving; the seed chooses the operation as well. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        var random = SplitMix(seed: seed)
        let act = Act.allCases[Int(seed % UInt64(Act.allCases.count))]
        let race = races[random.below(races.count)]
        problem = nil
        model = [:]
        table = [:]
        do throws(StoreError) {
            let store = try race.openBlank(random.below(2) == 0 ? .hash : .ordered)
            for number in 0..<10 { try put(number % 7, Self.value(number, 40 + number), store) }
            if act == .drop { for number in 0..<3 { try putInTable(number, store) } }
            race.run(
                seed: random.next(),
                { scheduler in
                    self.attempt { () throws(StoreError) in
                        try self.perform(act, store, scheduler)
                    }
                    self.attempt { () throws(StoreError) in
                        try self.put(20, Self.value(20, 20), store)
                    }
                },
                { _ in
                    do throws(StoreError) { try store.close() } catch { self.report("\(error)") }
                })
            if race.medium.lateCalls != 0 { report("the medium was used after the close") }
            let reopened = try race.reopen()
            try verify(reopened)
            try reopened.close()
        } catch {
            report("afterwards: \(error)")
        }
        return problem.map { "seed \(seed), \(act), \(race.shape.model.name): \($0)" }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    /// An operation may come too late, and may not fail in any other way.
    private func attempt(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) {
            try body()
        } catch {
            if error.code != .closed { report("\(error)") }
        }
    }

    private func verify(_ store: PmemStore) throws(StoreError) {
        if !store.recoveryReport.wasClean { report("the pool was not closed cleanly") }
        if store.count != model.count { report("\(store.count) keys instead of \(model.count)") }
        for (key, value) in model where try store.get(key) != value {
            report("'\(String(decoding: key, as: UTF8.self))' is not what was acknowledged")
        }
        let found = try store.table(named: "t").entries()
        if found.count != table.count || found.contains(where: { table[$0.key] != $0.value }) {
            report("the table is not what was acknowledged")
        }
        let structure = try store.structure()
        if structure.lost != 0 || structure.miscountedExtents != 0
            || structure.free != structure.freeCount || structure.unprovenTails != 0
        {
            report("unsound: \(structure)")
        }
    }

    // MARK: The operations

    private func put(
        _ number: Int, _ value: [UInt8], _ store: PmemStore, _ durability: Durability = .durable
    ) throws(StoreError) {
        try store.put(value, forKey: Self.key(number), durability: durability)
        model[Self.key(number)] = value
    }

    private func putInTable(_ number: Int, _ store: PmemStore) throws(StoreError) {
        let value = Self.value(number, 30)
        try store.table(named: "t").put(value, forKey: Self.key(number))
        table[Self.key(number)] = value
    }

    private func apply(_ entries: Range<Int>, _ store: PmemStore) throws(StoreError) {
        var batch = WriteBatch()
        for number in entries { batch.put(Self.value(number, 90), forKey: Self.key(number)) }
        batch.remove(Self.key(0))
        try store.apply(batch)
        for number in entries { model[Self.key(number)] = Self.value(number, 90) }
        model[Self.key(0)] = nil
    }

    private func perform(
        _ act: Act, _ store: PmemStore, _ scheduler: ThreadScheduler
    ) throws(StoreError) {
        let key = Self.key(3)
        switch act {
        case .put: try put(10, Self.value(10, 70), store)
        case .overwrite: try put(3, Self.value(10, 70), store)
        case .relaxedPut: try put(3, Self.value(10, 70), store, .relaxed)
        case .longPut: try put(3, Self.value(10, store.statistics.segmentBytes * 3), store)
        case .remove:
            if try !store.remove(key) { report("a remove found no key") }
            model[key] = nil
        case .shortBatch: try apply(4..<6, store)
        case .longBatch: try apply(4..<24, store)
        case .update:
            try store.update(key) { _ in
                scheduler.mayswitch()
                return .set(Self.value(10, 70))
            }
            model[key] = Self.value(10, 70)
        case .compareAndSet:
            let isSet = try store.compareAndSet(
                key, expected: model[key], to: Self.value(10, 70))
            if !isSet { report("the value was not the expected one") }
            model[key] = Self.value(10, 70)
        case .get: expect(try store.get(key), key, "get")
        case .contains: if try !store.contains(key) { report("contains says no") }
        case .withValue, .scan: try borrow(act, key, store, scheduler)
        case .compact: try store.compact()
        case .step: for _ in 0..<4 { try store.makeCompactionStep() }
        case .sync: try store.sync()
        case .backup: try backUp(store)
        case .transaction, .readOnlyTransaction, .expectation:
            try transact(act, key, store, scheduler)
        case .cursor:
            var cursor = try store.cursor()
            var met = 0
            while try cursor.next() { met += 1 }
            if met != model.count { report("a cursor meets \(met) of \(model.count) keys") }
        case .clear:
            try store.clear()
            model = [:]
        case .tablePut: try putInTable(1, store)
        case .drop:
            try store.table(named: "t").drop()
            table = [:]
        case .statistics:
            if store.statistics.keys != model.count { report("statistics count otherwise") }
        }
    }

    private func transact(
        _ act: Act, _ key: [UInt8], _ store: PmemStore, _ scheduler: ThreadScheduler
    ) throws(StoreError) {
        if act == .expectation {
            guard let version = try store.getVersioned(key)?.version else { return report("gone") }
            let areMet = try store.apply(
                WriteBatch(), expecting: [.version(version, forKey: key)])
            if !areMet { report("a version is not what it was") }
            return
        }
        do {
            try store.transaction { tx in
                expect(try tx.get(key), key, "a transaction")
                scheduler.mayswitch()
                if act == .transaction { try tx.put(Self.value(10, 70), forKey: Self.key(5)) }
            }
        } catch let error as StoreError {
            throw error
        } catch {
            report("\(error)")
        }
        if act == .transaction { model[Self.key(5)] = Self.value(10, 70) }
    }

    private func expect(_ value: [UInt8]?, _ key: [UInt8], _ what: String) {
        if value != model[key] { report("\(what) gives a wrong value") }
    }

    /// The bytes stay as they are for as long as body runs, whatever the other thread does.
    private func borrow(
        _ act: Act, _ key: [UInt8], _ store: PmemStore, _ scheduler: ThreadScheduler
    ) throws(StoreError) {
        func look(_ value: RawSpan, _ key: [UInt8]) {
            for _ in 0..<4 {
                expect(value.withUnsafeBytes { Array($0) }, key, "\(act)")
                scheduler.mayswitch()
            }
        }
        if act == .withValue {
            if try store.withValue(forKey: key, { look($0, key) }) == nil { report("no value") }
            return
        }
        var met = 0
        try store.scan { key, value in
            met += 1
            look(value, key.withUnsafeBytes { Array($0) })
            return true
        }
        if met != model.count { report("a scan shows \(met) of \(model.count) keys") }
    }

    private func backUp(_ store: PmemStore) throws(StoreError) {
        let path = "/dev/shm/pmemkv-race-\(getpid())-\(pthread_self())"
        defer { unlink(path) }
        do throws(StoreError) {
            try store.backup(to: path)
        } catch {
            if access(path, F_OK) == 0 { report("a backup that failed left a file") }
            throw error
        }
        var options = OpenOptions()
        options.readOnly = true
        let copy = try PmemStore.open(at: path, options: options)
        if copy.count != model.count { report("a backup has \(copy.count) keys") }
        for key in model.keys { expect(try copy.get(key), key, "a backup") }
        try copy.close()
    }
}
