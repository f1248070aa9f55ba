/// What a mutant has to survive: short kept scripts first, then random ones.
package struct MutationSuite: Sendable {
    package var randomScripts: UInt64 = 400
    package let seed: UInt64
    package var effort = Effort()

    package init(seed: UInt64) {
        self.seed = seed
        effort.statesPerDrain = 200
        effort.nestedEvery = 8
        effort.nestedStatesPerDrain = 64
        effort.longEvery = 16
    }

    /// How a mutant was caught; nil when it was not. Without a mutant: what is wrong with the
    /// engine, or with the suite.
    package func kill(_ mutant: Mutant?) -> String? {
        for model in [PersistenceModel.direct, .paged] {
            var shape = PoolShape()
            shape.model = model
            let creation = CreationRunner(shape: shape, known: StateSet(bits: 18), mutant: mutant)
            if let problem = creation.run() { return "creation: \(problem)" }
        }
        for number in 0..<randomScripts {
            if let problem = run(number, mutant) { return problem }
        }
        return nil
    }

    private func script(_ number: UInt64) -> Script {
        number % 4 == 3
            ? Workloads.parallel(seed: seed &+ number) : Workloads.random(seed: seed &+ number)
    }

    private func run(_ number: UInt64, _ mutant: Mutant?) -> String? {
        let script = script(number)
        let explorer = Explorer(
            shape: script.shape, effort: effort, known: StateSet(bits: 18), seed: seed)
        explorer.mutant = mutant
        let runner = ScriptRunner(explorer: explorer, seed: seed &+ number)
        return runner.run(script).map { "script \(number): \($0.problem)" }
    }

    /// All persistence points that the engine uses, found by running it.
    package func mutants() -> [Mutant] {
        var usage: Set<Mutant> = []
        let creation = CreationRunner(
            shape: PoolShape(), known: StateSet(bits: 18), recordsUsage: true)
        _ = creation.run()
        usage.formUnion(creation.usage)
        var light = effort
        light.statesPerDrain = 8
        for number in 0..<UInt64(300) {
            let script = script(number)
            let explorer = Explorer(
                shape: script.shape, effort: light, known: StateSet(bits: 18), seed: seed)
            explorer.recordsUsage = true
            let runner = ScriptRunner(explorer: explorer, seed: seed &+ number)
            _ = runner.run(script)
            usage.formUnion(runner.usage)
            usage.formUnion(explorer.usage)
        }
        return usage.sorted { $0.description < $1.description }
    }
}
