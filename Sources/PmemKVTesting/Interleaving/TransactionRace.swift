import PmemKV

/// Transactions, plain writes, reads, scans and compaction of two to four threads on a few keys:
/// what they saw and wrote has to be a serialisable ``History``.
///
/// Every value is written once, so that who sees it has seen that write.
package final class TransactionRace {
    private let race: Race
    private var random = SplitMix(seed: 0)
    private var history = History()
    private var problem: String?
    private var lastValue = 0
    /// Transactions that were committed, and given up.
    package private(set) var committed = 0
    package private(set) var conflicts = 0

    private static let keys = 6

    package init() {
        var shape = PoolShape()
        shape.segments = 12
        shape.heads = 2
        shape.sequenceStep = 1000
        race = Race(shape)
    }

    private static func key(_ number: Int) -> [UInt8] { [7, UInt8(number)] }
    private static func number(_ key: RawSpan) -> Int {
        key.withUnsafeBytes { Int($0[1]) }
    }

    /// Values of some lengths, so that moving and overwriting them makes extents full.
    private static func bytes(_ value: Int) -> [UInt8] {
        [UInt8(value & 255), UInt8(value >> 8)] + [UInt8](repeating: 3, count: value % 4 * 60)
    }
    private static func value(_ bytes: RawSpan) -> Int {
        bytes.withUnsafeBytes { Int($0[0]) | Int($0[1]) << 8 }
    }

    /// Runs one interleaving. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        random = SplitMix(seed: seed)
        history = History()
        problem = nil
        lastValue = 0
        let index: IndexKind = random.below(2) == 0 ? .hash : .ordered
        do throws(StoreError) {
            let store = try race.openBlank(index)
            var state: History.State = [:]
            for key in 0..<Self.keys where random.below(2) == 0 {
                state[key] = nextValue()
                try store.put(Self.bytes(lastValue), forKey: Self.key(key))
            }
            let threads = 2 + random.below(3)
            let scripts = (0..<threads).map { _ in
                (0..<(threads > 2 ? 2 : 3)).map { _ in random.next() }
            }
            race.run(
                seed: random.next(),
                scripts.map { script in
                    { _ in
                        self.collect { () throws(StoreError) in
                            for seed in script { try self.operate(seed, store) }
                        }
                    }
                })
            operate { steps throws(StoreError) in try self.readAll(store, &steps) }
            if problem == nil, !history.isSerialisable(from: state) {
                report(
                    "no order of these operations explains what they saw, from \(state):\n"
                        + history.operations.map { "\($0)" }.joined(separator: "\n"))
            }
            if store.statistics.keptBytes != 0 { report("something is kept for nobody") }
            if let wrong = store.orderedProblem() { report("afterwards: \(wrong)") }
            let structure = try store.structure()
            if structure.lost != 0 || structure.miscountedExtents != 0 {
                report("unsound: \(structure)")
            }
            try store.close()
        } catch {
            report("\(error)")
        }
        return problem.map { "seed \(seed), \(index): \($0)" }
    }

    private func collect(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { report("\(error)") }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    private func nextValue() -> Int {
        lastValue += 1
        return lastValue
    }

    // MARK: Operations

    /// Runs an operation and puts down what it did.
    private func operate(
        _ body: (inout [History.Step]) throws(StoreError) -> Void
    ) {
        collect { () throws(StoreError) in
            var operation = History.Operation(begin: history.now())
            try body(&operation.steps)
            operation.end = history.now()
            history.operations.append(operation)
        }
    }

    private func operate(_ seed: UInt64, _ store: PmemStore) throws(StoreError) {
        var random = SplitMix(seed: seed)
        let key = random.below(Self.keys)
        switch random.below(16) {
        case 0: try store.compact()
        case 1: for _ in 0..<3 { try store.makeCompactionStep() }
        case 2, 3:
            let value = nextValue()
            operate { steps throws(StoreError) in
                try store.put(Self.bytes(value), forKey: Self.key(key))
                steps = [.write(key: key, value: value)]
            }
        case 4:
            operate { steps throws(StoreError) in
                try store.remove(Self.key(key))
                steps = [.write(key: key, value: nil)]
            }
        case 5:
            operate { steps throws(StoreError) in
                let value = try store.withValue(forKey: Self.key(key), Self.value)
                steps = [.read(key: key, value: value)]
            }
        case 6: operate { steps throws(StoreError) in try self.readAll(store, &steps) }
        default: try transact(random.next(), store)
        }
    }

    private func readAll(
        _ store: PmemStore, _ steps: inout [History.Step]
    ) throws(StoreError) {
        var found: [(key: Int, value: Int)] = []
        try store.scan { key, value in
            found.append((Self.number(key), Self.value(value)))
            return true
        }
        steps = [.scan(0..<Self.keys, reverse: false, limit: .max, found: found)]
    }

    /// A transaction of one to four steps.
    private func transact(_ seed: UInt64, _ store: PmemStore) throws(StoreError) {
        var operation = History.Operation(begin: 0)
        do {
            try store.transaction(attempts: 4) { tx in
                var random = SplitMix(seed: seed)
                operation = History.Operation(begin: self.history.now())
                for _ in 0...random.below(4) {
                    operation.steps.append(try self.step(&random, tx))
                }
            }
        } catch let error as StoreError {
            guard error.code == .conflict else { throw error }
            conflicts += 1
            return
        } catch {
            return report("\(error)")
        }
        operation.end = history.now()
        history.operations.append(operation)
        committed += 1
    }

    private func step(
        _ random: inout SplitMix, _ tx: Transaction
    ) throws(StoreError) -> History.Step {
        let key = random.below(Self.keys)
        switch random.below(8) {
        case 0, 1, 2:
            return .read(key: key, value: try tx.withValue(forKey: Self.key(key), Self.value))
        case 3, 4:
            let value = nextValue()
            try tx.put(Self.bytes(value), forKey: Self.key(key))
            return .write(key: key, value: value)
        case 5:
            try tx.remove(Self.key(key))
            return .write(key: key, value: nil)
        default:
            let range = key..<min(Self.keys, key + 1 + random.below(4))
            let (reverse, limit) = (random.below(2) == 0, 1 + random.below(3))
            var found: [(key: Int, value: Int)] = []
            try tx.scan(
                KeyRange(from: Self.key(range.lowerBound), to: Self.key(range.upperBound)),
                reverse: reverse, limit: limit
            ) { key, value in
                found.append((Self.number(key), Self.value(value)))
                return true
            }
            return .scan(range, reverse: reverse, limit: limit, found: found)
        }
    }
}
