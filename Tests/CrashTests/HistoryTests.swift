// The judge of what threads saw: it has to find what is wrong, and nothing else.

import PmemKVTesting
import Testing

@Suite("Histories")
struct HistoryTests {
    private typealias Step = History.Step

    /// Operations from their moments and steps.
    private func isSerialisable(
        from state: History.State = [1: 0, 2: 0], _ operations: (ClosedRange<Int>, [Step])...
    ) -> Bool {
        var history = History()
        history.operations = operations.map { moments, steps in
            History.Operation(begin: moments.lowerBound, end: moments.upperBound, steps: steps)
        }
        return history.isSerialisable(from: state)
    }

    @Test func oneBehindTheOther() {
        #expect(
            isSerialisable((1...2, [.write(key: 1, value: 5)]), (3...4, [.read(key: 1, value: 5)])))
        #expect(
            !isSerialisable((1...2, [.write(key: 1, value: 5)]), (3...4, [.read(key: 1, value: 0)]))
        )
        // Where they overlap either may come first.
        #expect(
            isSerialisable((1...4, [.write(key: 1, value: 5)]), (2...3, [.read(key: 1, value: 0)])))
    }

    @Test func lostUpdate() {
        let first: [Step] = [.read(key: 1, value: 0), .write(key: 1, value: 5)]
        let second: [Step] = [.read(key: 1, value: 0), .write(key: 1, value: 6)]
        #expect(!isSerialisable((1...4, first), (2...3, second)))
        let behind: [Step] = [.read(key: 1, value: 5), .write(key: 1, value: 6)]
        #expect(isSerialisable((1...4, first), (2...3, behind)))
    }

    @Test func writeSkew() {
        let first: [Step] = [.read(key: 2, value: 0), .write(key: 1, value: 5)]
        let second: [Step] = [.read(key: 1, value: 0), .write(key: 2, value: 6)]
        #expect(!isSerialisable((1...4, first), (2...3, second)))
    }

    @Test func phantom() {
        let first: [Step] = [
            .scan(0..<9, reverse: false, limit: 9, found: [(1, 0), (2, 0)]),
            .write(key: 3, value: 5),
        ]
        let second: [Step] = [
            .scan(0..<9, reverse: true, limit: 1, found: [(2, 0)]), .write(key: 4, value: 6),
        ]
        #expect(!isSerialisable((1...4, first), (2...3, second)))
        #expect(isSerialisable((1...4, first), (5...6, [.write(key: 4, value: 6)])))
    }

    /// Each half is right, but a reader saw the later one first.
    @Test func readersAgreeOnTheOrder() {
        #expect(
            !isSerialisable(
                (1...9, [.read(key: 2, value: 0), .write(key: 1, value: 5)]),
                (2...3, [.write(key: 2, value: 6)]),
                (4...5, [.read(key: 1, value: 0)]), (6...7, [.read(key: 2, value: 6)])))
    }

    @Test func ownWritesAreSeen() {
        #expect(
            isSerialisable(
                (
                    1...2,
                    [
                        .write(key: 1, value: nil), .read(key: 1, value: nil),
                        .scan(0..<9, reverse: false, limit: 9, found: [(2, 0)]),
                    ]
                )))
    }
}
