import PmemKV
import PmemKVTesting
import Synchronization

/// Two threads with an action each, for every pair of actions and both indexes, in all orders with
/// few preemptions.
struct PreemptionsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of orders.
    func run() -> Int {
        guard findings.haveSchedulingPoints() else { return 0 }
        let searches = PreemptionSearch.pairs.flatMap { pair in
            [IndexKind.hash, .ordered].map { (pair, $0) }
        }
        let orders = Sum()
        Workers.run(searches.count, threads: plan.threads) { number in
            let (pair, index) = searches[number]
            let (count, problem) = PreemptionSearch(pair, index).run(
                preemptions: plan.preemptions, stride: plan.preemptionStride)
            orders.add(count)
            if let problem { findings.fail("\(pair): \(problem)") }
        }
        return orders.value
    }

    private final class Sum: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add(_ number: Int) { count.withLock { $0 += number } }
    }
}
