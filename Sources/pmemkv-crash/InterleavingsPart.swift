import PmemKVTesting

/// Two to four threads on one store, one running at a time, switched where the seed says: at every
/// call of the medium and at the scheduling points that only this program's build has.
struct InterleavingsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of interleavings.
    func run() -> Int {
        guard findings.haveSchedulingPoints() else { return 0 }
        raceReaders()
        raceScans()
        raceSnapshots()
        raceTransactions()
        raceClose()
        race(plan.publisherRaces, Workloads.publishers)
        race(plan.compactorRaces, Workloads.compactor)
        return plan.readerRaces + plan.scanRaces + plan.snapshotRaces + plan.transactionRaces
            + plan.closeRaces + plan.publisherRaces + plan.compactorRaces
    }

    private func raceReaders() {
        inChunks(plan.readerRaces) { seeds in
            let race = ReaderRace()
            for seed in seeds {
                if let problem = race.run(seed: seed) {
                    findings.fail("readers and a writer: \(problem)")
                }
            }
        }
    }

    private func raceScans() {
        inChunks(plan.scanRaces) { seeds in
            let race = ScanRace()
            for seed in seeds {
                if let problem = race.run(seed: seed) { findings.fail("scans: \(problem)") }
            }
        }
    }

    private func raceSnapshots() {
        inChunks(plan.snapshotRaces) { seeds in
            let race = SnapshotRace()
            for seed in seeds {
                if let problem = race.run(seed: seed) { findings.fail("snapshots: \(problem)") }
            }
        }
    }

    private func raceTransactions() {
        inChunks(plan.transactionRaces) { seeds in
            let race = TransactionRace()
            for seed in seeds {
                if let problem = race.run(seed: seed) { findings.fail("transactions: \(problem)") }
            }
        }
    }

    private func raceClose() {
        inChunks(plan.closeRaces) { seeds in
            let race = CloseRace()
            for seed in seeds {
                if let problem = race.run(seed: seed) { findings.fail("close: \(problem)") }
            }
        }
    }

    /// So that a simulated medium is made for many runs.
    private func inChunks(_ count: Int, _ body: @escaping @Sendable ([UInt64]) -> Void) {
        let chunk = 100
        Workers.run((count + chunk - 1) / chunk, threads: plan.threads) { number in
            body((number * chunk..<min(count, (number + 1) * chunk)).map(plan.seed))
        }
    }

    /// Ends each with the crash states that are possible then.
    private func race(_ count: Int, _ workload: @escaping @Sendable (UInt64) -> Script) {
        let states = StatesPart(plan: plan, findings: findings)
        let known = StateSet(bits: 22)
        Workers.run(count, threads: plan.threads) { number in
            let seed = plan.seed(number)
            states.explore(
                workload(seed), seed: seed, effort: plan.interleavingEffort,
                known)
        }
    }
}
