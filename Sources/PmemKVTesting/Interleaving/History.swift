/// What operations on a store saw and wrote, and whether all of that can have happened one after
/// the other, in an order that keeps to what ended before something else began: strict
/// serialisability, checked by trying the orders.
package struct History {
    package typealias State = [Int: Int]

    /// A part of an operation. Keys and values are numbers.
    package enum Step {
        case read(key: Int, value: Int?)
        /// Keys of a range in order, with their values; at most so many.
        case scan(Range<Int>, reverse: Bool, limit: Int, found: [(key: Int, value: Int)])
        case write(key: Int, value: Int?)
    }

    package struct Operation {
        /// Moments: whoever ends before another begins comes first.
        package var begin: Int
        package var end: Int
        package var steps: [Step]

        package init(begin: Int, end: Int = 0, steps: [Step] = []) {
            self.begin = begin
            self.end = end
            self.steps = steps
        }
    }

    package var operations: [Operation] = []
    private var clock = 0

    package init() {}

    package mutating func now() -> Int {
        clock += 1
        return clock
    }

    /// Whether there is an order in which every operation sees what it saw.
    ///
    /// - Complexity: exponential in how many operations overlap.
    package func isSerialisable(from state: State) -> Bool {
        var taken = [Bool](repeating: false, count: operations.count)
        return isPossible(state, &taken, left: operations.count)
    }

    private func isPossible(_ state: State, _ taken: inout [Bool], left: Int) -> Bool {
        if left == 0 { return true }
        let firstEnd = operations.indices.filter { !taken[$0] }.map { operations[$0].end }.min()
        for number in operations.indices where !taken[number] {
            guard operations[number].begin < firstEnd ?? 0,
                let next = Self.state(behind: operations[number], from: state)
            else { continue }
            taken[number] = true
            if isPossible(next, &taken, left: left - 1) { return true }
            taken[number] = false
        }
        return false
    }

    /// The state behind an operation; nil when it cannot have seen what it saw.
    private static func state(behind operation: Operation, from state: State) -> State? {
        var state = state
        for step in operation.steps {
            switch step {
            case .read(let key, let value): if state[key] != value { return nil }
            case .write(let key, let value): state[key] = value
            case .scan(let range, let reverse, let limit, let found):
                let keys = state.keys.filter(range.contains).sorted { ($0 < $1) != reverse }
                let wanted = keys.prefix(limit)
                guard wanted.elementsEqual(found, by: { $0 == $1.key && state[$0] == $1.value })
                else { return nil }
            }
        }
        return state
    }
}
