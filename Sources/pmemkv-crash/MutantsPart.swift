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
        // The engine as it is has to pass what mutants are to fail.
        Workers.run(mutants.count + 1, threads: plan.threads) { number in
            if number == mutants.count {
                if let problem = suite.kill(nil) { findings.fail("without a mutant: \(problem)") }
                return
            }
            let how = suite.kill(mutants[number])
            if how == nil {
                survivors.add()
                findings.fail("nothing notices the mutant '\(mutants[number])'")
            } else if plan.isLong {
                findings.say("mutant '\(mutants[number])': \(how!)")
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
