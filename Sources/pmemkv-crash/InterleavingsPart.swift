import PmemKVTesting

/// Two threads on one store, one of them running at a time, switched where the seed says: at every
/// call of the medium and at the scheduling points that only this program's build has.
struct InterleavingsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of interleavings.
    func run() -> Int {
        guard TwoThreads.hasSchedulingPoints else {
            findings.fail("built without PMEMKV_INTERLEAVINGS: see scripts/crash")
            return 0
        }
        raceReaders()
        racePublishers()
        return plan.readerRaces + plan.publisherRaces
    }

    private func raceReaders() {
        let chunk = 100
        Workers.run(plan.readerRaces / chunk, threads: plan.threads) { number in
            let race = ReaderRace()
            for offset in 0..<chunk {
                if let problem = race.run(seed: seed(number * chunk + offset)) {
                    findings.fail("readers and a writer: \(problem)")
                }
            }
        }
    }

    /// Ends each with the crash states that are possible then.
    private func racePublishers() {
        let states = StatesPart(plan: plan, findings: findings)
        let known = StateSet(bits: 22)
        Workers.run(plan.publisherRaces, threads: plan.threads) { number in
            let seed = seed(number)
            states.explore(
                Workloads.publishers(seed: seed), seed: seed, effort: plan.interleavingEffort,
                known)
        }
    }

    private func seed(_ number: Int) -> UInt64 { plan.seed &* 1_000_003 &+ UInt64(number) }
}
