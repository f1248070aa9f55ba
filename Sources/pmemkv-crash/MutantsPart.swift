import PmemKVTesting

/// Every persistence point switched off, one at a time.
struct MutantsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns how many were caught, and of how many.
    func run() -> (killed: Int, total: Int) {
        let suite = MutationSuite(seed: plan.seed)
        let mutants = suite.mutants()
        let survivors = Survivors()
        // The engine as it is has to pass what mutants are to fail. First, since it takes longest.
        Workers.run(1 + mutants.count, threads: plan.threads) { number in
            guard number > 0 else {
                if let problem = suite.kill(nil) { findings.fail("without a mutant: \(problem)") }
                return
            }
            let mutant = mutants[number - 1]
            let how = suite.kill(mutant)
            if how == nil {
                survivors.add()
                findings.fail("nothing notices the mutant '\(mutant)'")
            } else if plan.isLong {
                findings.say("mutant '\(mutant)': \(how!)")
            }
        }
        return (mutants.count - survivors.count, mutants.count)
    }

    private final class Survivors: @unchecked Sendable {
        private let lock = Lock()
        private var value = 0
        var count: Int { lock.with { value } }
        func add() { lock.with { value += 1 } }
    }
}
