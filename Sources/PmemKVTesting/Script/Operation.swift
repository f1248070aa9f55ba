/// One step of a workload. Keys are small numbers; values are made from the step's number and
/// length, so that a script says everything.
package enum Operation: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var key: Int
        /// Nil removes the key.
        package var length: Int?

        package init(key: Int, length: Int?) {
            self.key = key
            self.length = length
        }
    }

    case put(key: Int, length: Int, relaxed: Bool)
    case remove(key: Int, relaxed: Bool)
    case batch([Entry], relaxed: Bool)
    case get(key: Int)
    case sync
    /// Takes all keys out of the table of a key; drops it where it has a name and is to go.
    case empty(tableOf: Int, drops: Bool)
    case compact
    /// A step of compaction ahead of need, as its thread makes them.
    case step
    /// Takes a snapshot, which lives until it is ended, or with the store.
    case snapshot
    /// Ends the oldest snapshot.
    case endSnapshot
    /// A clean close and a new open.
    case reopen
    /// Makes the pool larger by so many segments, as far as it may grow.
    case grow(segments: Int)
    /// The process is killed and another opens the pool: what was stored is visible, but no more
    /// durable than before.
    case kill
}

/// An operation, and where in it the machine crashes, if it does.
package struct Step: Equatable, Sendable {
    package var operation: Operation
    /// Crash before the drain of this number (from 0) in the operation, or behind it when there
    /// are fewer; nil lets it finish.
    package var crashAt: Int?
    /// Which of the possible crash states the run goes on from.
    package var pick: UInt64 = 0

    package init(_ operation: Operation, crashAt: Int? = nil, pick: UInt64 = 0) {
        self.operation = operation
        self.crashAt = crashAt
        self.pick = pick
    }
}

/// Steps on a pool of a certain shape. The text form is what a failure prints and a test keeps:
/// one step a line, `put 0 64`, `rput 1 7` (relaxed), `del 0`, `rdel 0`, `batch 0=8 1=- 2=257`,
/// `rbatch ...`, `get 0`, `sync`, `clear 0`, `drop 0` (the table of key 0), `compact`, `step`,
/// `snap`, `unsnap`, `grow 2`, `reopen`, `kill`; ` !1:77` behind one crashes before its second
/// drain and goes on from the state that 77 picks.
package struct Script: Equatable, Sendable {
    package var shape: PoolShape
    package var steps: [Step]
    /// Steps at the beginning whose crash states are not looked at.
    package var silentSteps = 0
    /// What two threads, or three, do behind the steps, and the seed of their interleaving.
    package var parallel: [[Step]] = []
    package var schedule: UInt64 = 0

    package init(_ shape: PoolShape, _ steps: [Step] = [], silentSteps: Int = 0) {
        self.shape = shape
        self.steps = steps
        self.silentSteps = silentSteps
    }

    package init(_ shape: PoolShape, parsing text: String) {
        self.shape = shape
        steps = text.split(separator: "\n").map { Step(parsing: $0.trimmed) }
    }
}

extension Step: CustomStringConvertible {
    package var description: String {
        guard let crashAt else { return operation.description }
        return "\(operation) !\(crashAt):\(pick)"
    }

    init(parsing line: Substring) {
        let parts = line.split(separator: "!")
        operation = Operation(parsing: parts[0].trimmed)
        if parts.count > 1 {
            let numbers = parts[1].split(separator: ":")
            crashAt = Int(numbers[0].trimmed)!
            pick = UInt64(numbers[1].trimmed)!
        }
    }
}

extension Operation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .put(let key, let length, let relaxed): "\(relaxed ? "r" : "")put \(key) \(length)"
        case .remove(let key, let relaxed): "\(relaxed ? "r" : "")del \(key)"
        case .batch(let entries, let relaxed):
            "\(relaxed ? "r" : "")batch "
                + entries.map { "\($0.key)=\($0.length.map(String.init) ?? "-")" }
                .joined(separator: " ")
        case .get(let key): "get \(key)"
        case .sync: "sync"
        case .empty(let key, let drops): "\(drops ? "drop" : "clear") \(key)"
        case .compact: "compact"
        case .step: "step"
        case .snapshot: "snap"
        case .endSnapshot: "unsnap"
        case .grow(let segments): "grow \(segments)"
        case .reopen: "reopen"
        case .kill: "kill"
        }
    }

    /// Traps on anything else: scripts are written by tests.
    init(parsing line: Substring) {
        let words = line.split(separator: " ")
        let relaxed = words[0].hasPrefix("r") && words[0] != "reopen"
        func number(_ index: Int) -> Int { Int(words[index])! }
        switch relaxed ? words[0].dropFirst() : words[0] {
        case "put": self = .put(key: number(1), length: number(2), relaxed: relaxed)
        case "del": self = .remove(key: number(1), relaxed: relaxed)
        case "batch":
            self = .batch(
                words.dropFirst().map { word in
                    let pair = word.split(separator: "=")
                    return Entry(key: Int(pair[0])!, length: Int(pair[1]))
                }, relaxed: relaxed)
        case "get": self = .get(key: number(1))
        case "sync": self = .sync
        case "clear", "drop": self = .empty(tableOf: number(1), drops: words[0] == "drop")
        case "compact": self = .compact
        case "step": self = .step
        case "snap": self = .snapshot
        case "unsnap": self = .endSnapshot
        case "grow": self = .grow(segments: number(1))
        case "reopen": self = .reopen
        case "kill": self = .kill
        default: fatalError("no such step: \(line)")
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = self
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return rest
    }
}
