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
        for (name, script) in Self.kept {
            if let problem = run(script, mutant, seed: 1) { return "\(name): \(problem)" }
        }
        for number in 0..<UInt64(24) {
            if let problem = run(Self.behindABatch(schedule: number), mutant, seed: 1) {
                return "behind a batch, schedule \(number): \(problem)"
            }
        }
        if let problem = killInGrowth(mutant) { return problem }
        for number in 0..<randomScripts {
            if let problem = run(script(number), mutant, seed: seed &+ number) {
                return "script \(number): \(problem)"
            }
        }
        return nil
    }

    /// The same with pools that grow alone.
    package func killInGrowth(_ mutant: Mutant?) -> String? {
        for number in 0..<UInt64(24) {
            let script = Workloads.growing(seed: seed &+ number)
            if let problem = run(script, mutant, seed: seed &+ number) {
                return "growing, script \(number): \(problem)"
            }
        }
        return nil
    }

    /// What random scripts meet once in dozens or hundreds, each shrunk from one that did.
    private static let kept: [(name: String, script: Script)] = {
        var small = PoolShape()
        small.sequenceStep = 4
        small.checkpointThreshold = 4
        small.segments = 8
        small.heads = 1
        small.keys = 6
        var paged = PoolShape()
        paged.checkpointThreshold = 4
        paged.heads = 2
        paged.keys = 6
        paged.model = .paged
        var tight = PoolShape()
        tight.checkpointThreshold = 1
        tight.heads = 1
        tight.keys = 2
        return [
            // A relaxed record, which recovery found in the caches after the death of the process,
            // takes part in what recovery frees; the power fails before it is durable.
            (
                "found before it was durable",
                Script(
                    small,
                    parsing: """
                        rput 5 0
                        del 4
                        del 1 !0:0
                        compact
                        rput 5 0
                        kill
                        """)
            ),
            // A record reaches the medium before the life of its segment does, and stands there
            // under the old life when that is used once more.
            (
                "written before its segment's life was durable",
                Script(
                    paged,
                    parsing: """
                        rput 4 64
                        rdel 4 !1:79436
                        put 4 0
                        """)
            ),
            // A segment is written to while its old life may still come back.
            (
                "reused before it was free",
                Script(
                    tight,
                    parsing: """
                        put 1 0
                        put 0 858
                        put 0 178
                        put 1 199
                        del 1
                        put 0 257
                        put 1 2056
                        """)
            ),
        ]
    }()

    /// One thread writes a batch that goes on from segment to segment, the other one fills and
    /// seals the last of them.
    private static func behindABatch(schedule: UInt64) -> Script {
        var shape = PoolShape()
        shape.segments = 9
        shape.keys = 6
        shape.sequenceStep = 64
        shape.checkpointThreshold = 1000
        var script = Script(shape, parsing: "put 3 300")
        script.silentSteps = 1
        script.schedule = schedule
        let batch = (0..<3).map { Operation.Entry(key: $0, length: 400) }
        script.parallel = [
            [Step(.batch(batch, relaxed: false))],
            (0..<4).map { Step(.put(key: 4 + $0 % 2, length: 600, relaxed: false)) },
        ]
        return script
    }

    private func script(_ number: UInt64) -> Script {
        number % 4 == 3
            ? Workloads.parallel(seed: seed &+ number) : Workloads.random(seed: seed &+ number)
    }

    private func run(_ script: Script, _ mutant: Mutant?, seed: UInt64) -> String? {
        let explorer = Explorer(
            shape: script.shape, effort: effort, known: StateSet(bits: 18), seed: self.seed)
        explorer.mutant = mutant
        return ScriptRunner(explorer: explorer, seed: seed).run(script)?.problem
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
        for number in 0..<UInt64(324) {
            let script = number < 300 ? script(number) : Workloads.growing(seed: seed &+ number)
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
