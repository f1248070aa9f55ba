import PmemKVTesting

/// Crash states of all short sequences and of random scripts.
struct StatesPart: Sendable {
    let plan: Plan
    let findings: Findings

    func run() {
        let known = StateSet(bits: plan.knownBits)
        for (shape, prefix) in plan.exhaustive { runExhaustive(shape, prefix, known) }
        let random = plan.randomScripts
        Workers.run(random + plan.parallelScripts, threads: plan.threads) { number in
            let seed = plan.seed(number)
            let script =
                number < random
                ? Workloads.random(seed: seed) : Workloads.parallel(seed: seed)
            explore(script, seed: seed, effort: plan.randomEffort, known)
        }
        Workers.run(plan.growingScripts, threads: plan.threads) { number in
            let seed = plan.seed(number)
            explore(Workloads.growing(seed: seed), seed: seed, effort: plan.randomEffort, known)
        }
    }

    /// Runs one script again, looking closer.
    func replay(_ replay: Plan.Replay) {
        let seed = replay.seed
        let script =
            replay.isParallel ? Workloads.parallel(seed: seed) : Workloads.random(seed: seed)
        var effort = plan.randomEffort
        effort.nestedEvery = 8
        explore(script, seed: seed, effort: effort, StateSet(bits: 24))
    }

    /// In chunks, so that a runner is made for many sequences.
    private func runExhaustive(
        _ shape: PoolShape, _ prefix: [PmemKVTesting.Operation], _ known: StateSet
    ) {
        let chunk = 72
        let count = Workloads.exhaustiveCount
        Workers.run((count + chunk - 1) / chunk, threads: plan.threads) { number in
            let explorer = Explorer(
                shape: shape, effort: plan.effort, known: known, seed: plan.seed)
            let runner = ScriptRunner(explorer: explorer, seed: plan.seed)
            for index in (number * chunk)..<min(count, (number + 1) * chunk) {
                let script = Workloads.exhaustive(index, shape: shape, prefix: prefix)
                if runner.run(script) != nil { report(script, plan.seed, plan.effort) }
            }
            finish(explorer, runner)
        }
    }

    func explore(_ script: Script, seed: UInt64, effort: Effort, _ known: StateSet) {
        let explorer = Explorer(shape: script.shape, effort: effort, known: known, seed: seed)
        let runner = ScriptRunner(explorer: explorer, seed: seed)
        if runner.run(script) != nil { report(script, seed, effort) }
        if runner.uselessFlushes > 0 { findings.say("clean lines were flushed: seed \(seed)") }
        finish(explorer, runner)
    }

    private func finish(_ explorer: Explorer, _ runner: ScriptRunner) {
        var tally = explorer.tally
        tally.uselessFlushes = runner.uselessFlushes
        findings.add(tally)
        if runner.uselessFlushes > 0 { findings.fail("lines were flushed that were clean") }
    }

    /// Prints the failure with the shortest script that still shows it.
    private func report(_ script: Script, _ seed: UInt64, _ effort: Effort) {
        func rerun(_ script: Script) -> Failure? {
            let explorer = Explorer(
                shape: script.shape, effort: effort, known: StateSet(bits: 20), seed: seed)
            return ScriptRunner(explorer: explorer, seed: seed).run(script)
        }
        let short = script.shrunk { rerun($0) != nil }
        findings.fail(rerun(short)?.description ?? "seed \(seed) does not repeat:\n\(script)")
    }
}
