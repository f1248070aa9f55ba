import PmemKV

/// Two threads with an action or two each, in every order with up to so many preemptions: a thread
/// runs until it is done, waits for the other, or is preempted at one of its scheduling points.
///
/// Every order with one preemption more is one that was run with another one added behind its last:
/// up to there it goes as before, since nothing but the scheduler decides who runs.
package struct PreemptionSearch {
    /// What the two threads do. Keys 0 and 1 are there at the beginning, 2 is not.
    package let actions: [[Action]]
    package let index: IndexKind
    private let race: Race

    private static let keys = 3

    package init(_ actions: [[Action]], _ index: IndexKind) {
        self.actions = actions
        self.index = index
        var shape = PoolShape()
        shape.segments = 8
        shape.sequenceStep = 1000
        race = Race(shape)
    }

    /// Runs all orders, those of which one preemption more is a multiple of `stride`: 1 for all.
    /// Returns how many there were, and what was wrong with one of them.
    package func run(preemptions: Int, stride: Int = 1) -> (orders: Int, problem: String?) {
        var orders = 0
        var rest: [[Int]] = [[]]
        while let plan = rest.popLast() {
            orders += 1
            let (problem, steps) = run(plan)
            if let problem { return (orders, "preempted at \(plan), \(index): \(problem)") }
            guard plan.count < preemptions else { continue }
            let next = (plan.last ?? -1) + 1
            // The last ones are sampled where all would be too many.
            let isLast = plan.count == preemptions - 1
            rest += Swift.stride(from: next, to: steps, by: isLast ? stride : 1).map { plan + [$0] }
        }
        return (orders, nil)
    }

    /// Runs one order. Returns what was wrong, and how many scheduling points there were.
    private func run(_ plan: [Int]) -> (problem: String?, steps: Int) {
        do throws(StoreError) {
            let recorder = Recorder(try race.openBlank(index), keys: Self.keys)
            for key in 0..<2 { recorder.prepare(key) }
            // What there is to compact.
            recorder.prepare(0)
            let steps = race.run(
                preemptedAt: plan,
                actions.map { script in { script.forEach(recorder.perform) } })
            recorder.finish()
            return (recorder.problem, steps)
        } catch {
            return ("\(error)", 0)
        }
    }

    /// Each pair of what can be done at the same time, each of the two beginning once.
    package static var pairs: [[[Action]]] {
        let single: [[Action]] = [
            [.put(0)], [.put(2)], [.remove(0)], [.batch([0, 2])], [.get(0), .get(1)],
            [.snapshot], [.batch([0, 1]), .remove(1)],
            [.transaction([.get(0), .put(1)])],
            [.transaction([.scan(0..<3, reverse: false, limit: 9), .put(2)])],
            [.transaction([.get(2), .remove(0)])],
            [.compact], [.compactionStep],
        ]
        return single.flatMap { first in single.map { [first, $0] } }
    }
}
