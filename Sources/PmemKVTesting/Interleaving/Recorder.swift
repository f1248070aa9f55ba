import PmemKV

/// What a thread does to a few keys with numbers.
package enum Action: Sendable {
    case put(Int)
    case remove(Int)
    case batch([Int])
    case get(Int)
    /// Takes a snapshot and reads it in every way.
    case snapshot
    case transaction([Step])
    case compact
    case compactionStep

    /// A part of a transaction.
    package enum Step: Sendable {
        case get(Int)
        case put(Int)
        case remove(Int)
        case scan(Range<Int>, reverse: Bool, limit: Int)
    }
}

/// Performs actions and puts down what they saw and wrote.
///
/// Every value is written once, so that who sees it has seen that write. Threads under the
/// scheduler use it together: one runs at a time.
package final class Recorder {
    private let store: PmemStore
    private let keys: Int
    package private(set) var history = History()
    package private(set) var problem: String?
    private var state: History.State = [:]
    private var lastValue = 0
    /// Transactions that were committed, and tries that were not.
    package private(set) var committed = 0
    package private(set) var conflicts = 0

    init(_ store: PmemStore, keys: Int) {
        self.store = store
        self.keys = keys
    }

    // MARK: Keys and values

    private static func key(_ number: Int) -> [UInt8] { [7, UInt8(number)] }
    private static func number(_ key: RawSpan) -> Int { key.withUnsafeBytes { Int($0[1]) } }

    /// Values of some lengths, so that moving and overwriting them makes extents full.
    private static func bytes(_ value: Int) -> [UInt8] {
        [UInt8(value & 255), UInt8(value >> 8)] + [UInt8](repeating: 3, count: value % 4 * 60)
    }
    private static func value(_ bytes: RawSpan) -> Int {
        bytes.withUnsafeBytes { Int($0[0]) | Int($0[1]) << 8 }
    }

    private func nextValue() -> Int {
        lastValue += 1
        return lastValue
    }

    // MARK: Before and after

    /// Puts a key that is there when the threads begin.
    func prepare(_ key: Int) {
        collect { () throws(StoreError) in
            let value = nextValue()
            try store.put(Self.bytes(value), forKey: Self.key(key))
            state[key] = value
        }
    }

    /// Judges all of it. Closes the store.
    func finish() {
        perform(.snapshot)
        collect { () throws(StoreError) in
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
        }
    }

    private func collect(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { report("\(error)") }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    // MARK: Performing

    func perform(_ action: Action) {
        switch action {
        case .compact: collect { () throws(StoreError) in try store.compact() }
        case .compactionStep: collect { () throws(StoreError) in try store.makeCompactionStep() }
        case .snapshot: collect { () throws(StoreError) in try readSnapshot() }
        case .transaction(let steps): transact(steps)
        case .put(let key):
            let value = nextValue()
            operate { () throws(StoreError) in
                try store.put(Self.bytes(value), forKey: Self.key(key))
                return [.write(key: key, value: value)]
            }
        case .remove(let key):
            operate { () throws(StoreError) in
                try store.remove(Self.key(key))
                return [.write(key: key, value: nil)]
            }
        case .batch(let keys): apply(keys.map { ($0, nextValue()) })
        case .get(let key):
            operate { () throws(StoreError) in
                let value = try store.withValue(forKey: Self.key(key), Self.value)
                return [.read(key: key, value: value)]
            }
        }
    }

    private func operate(_ body: () throws(StoreError) -> [History.Step]) {
        collect { () throws(StoreError) in
            let begin = history.now()
            let steps = try body()
            add(History.Operation(begin: begin, end: history.now(), steps: steps))
        }
    }

    private func add(_ operation: History.Operation) { history.operations.append(operation) }

    private func apply(_ entries: [(key: Int, value: Int)]) {
        var batch = WriteBatch()
        for (key, value) in entries { batch.put(Self.bytes(value), forKey: Self.key(key)) }
        operate { () throws(StoreError) in
            try store.apply(batch)
            return entries.map { .write(key: $0.key, value: $0.value) }
        }
    }

    private typealias Scan = ((RawSpan, RawSpan) throws(StoreError) -> Bool) throws(StoreError) ->
        Void

    private func readAll(reverse: Bool, _ scan: Scan) throws(StoreError) -> [History.Step] {
        [.scan(0..<keys, reverse: reverse, limit: .max, found: try entries(scan))]
    }

    private func entries(_ scan: Scan) throws(StoreError) -> [(key: Int, value: Int)] {
        var found: [(key: Int, value: Int)] = []
        try scan { key, value in
            found.append((Self.number(key), Self.value(value)))
            return true
        }
        return found
    }

    /// What a snapshot shows is what there was at some moment while it was taken.
    private func readSnapshot() throws(StoreError) {
        let begin = history.now()
        let snapshot = try store.snapshot()
        defer { snapshot.end() }
        let end = history.now()
        let steps = try readAll(reverse: true) { body throws(StoreError) in
            try snapshot.scan(reverse: true, body)
        }
        var gets: [History.Step] = []
        for key in 0..<keys {
            let value = try snapshot.withValue(forKey: Self.key(key), Self.value)
            gets.append(.read(key: key, value: value))
        }
        add(History.Operation(begin: begin, end: end, steps: steps + gets))
    }

    private func transact(_ steps: [Action.Step]) {
        var operation = History.Operation(begin: 0)
        do {
            try store.transaction(attempts: 4) { tx in
                conflicts += 1
                operation = History.Operation(begin: self.history.now())
                for step in steps {
                    operation.steps.append(try self.perform(step, tx))
                    ThreadScheduler.pass()
                }
            }
        } catch let error as StoreError {
            if error.code != .conflict { report("\(error)") }
            return
        } catch {
            return report("\(error)")
        }
        operation.end = history.now()
        add(operation)
        committed += 1
        conflicts -= 1
    }

    private func perform(
        _ step: Action.Step, _ tx: Transaction
    ) throws(StoreError) -> History.Step {
        switch step {
        case .get(let key):
            return .read(key: key, value: try tx.withValue(forKey: Self.key(key), Self.value))
        case .put(let key):
            let value = nextValue()
            try tx.put(Self.bytes(value), forKey: Self.key(key))
            return .write(key: key, value: value)
        case .remove(let key):
            try tx.remove(Self.key(key))
            return .write(key: key, value: nil)
        case .scan(let range, let reverse, let limit):
            let bounds = KeyRange(
                from: Self.key(range.lowerBound), to: Self.key(range.upperBound))
            let found = try entries { body throws(StoreError) in
                try tx.scan(bounds, reverse: reverse, limit: limit, body)
            }
            return .scan(range, reverse: reverse, limit: limit, found: found)
        }
    }
}
