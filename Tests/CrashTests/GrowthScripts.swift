// Pools that grow, with every crash state on the way.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Crashes in growth")
struct GrowthScripts {
    private func run(_ script: Script, seed: UInt64 = 1, states: Int = 120) -> String? {
        var effort = Effort()
        effort.statesPerDrain = states
        effort.longEvery = 64
        effort.nestedEvery = 64
        let explorer = Explorer(
            shape: script.shape, effort: effort, known: StateSet(bits: 18), seed: seed)
        return ScriptRunner(explorer: explorer, seed: seed).run(script)?.description
    }

    @Test(
        "A full pool grows, crashes before each drain, grows again and is used",
        arguments: [PersistenceModel.direct, .paged], [nil, 0, 1, 2, 3])
    func growth(model: PersistenceModel, crashAt: Int?) {
        var shape = PoolShape()
        shape.segments = 4
        shape.mostSegments = 12
        shape.keys = 6
        shape.model = model
        let crash = crashAt.map { " !\($0):3" } ?? ""
        let script = Script(
            shape,
            parsing: """
                put 0 500
                put 1 500
                grow 2\(crash)
                put 2 500
                put 3 500
                put 0 600
                reopen
                grow 1
                put 4 1500
                kill
                grow 3\(crash)
                put 5 900
                compact
                """)
        #expect(run(script) == nil)
    }

    @Test("Random scripts with growth in them", arguments: 0..<4)
    func random(part: UInt64) {
        for number in (part * 3)..<(part * 3 + 3) {
            #expect(run(Workloads.growing(seed: 500 + number), seed: number, states: 30) == nil)
        }
    }

    /// The whole suite has hundreds of scripts for each of them; these find those of growth.
    @Test("Whatever growth stores, flushes or drains is needed")
    func mutants() {
        var suite = MutationSuite(seed: 1)
        suite.effort.statesPerDrain = 60
        suite.effort.nestedEvery = 64
        suite.effort.longEvery = 256
        let mutants = [
            Mutant(.growTable, .copyWithoutFlush), Mutant(.growTable, .copyWithoutFirstLine),
            Mutant(.growTable, .copyWithoutLastLine), Mutant(.growTableDrain, .noDrain),
            Mutant(.growSuperblock, .copyWithoutFlush),
            Mutant(.growSuperblock, .copyWithoutFirstLine),
            Mutant(.growSuperblock, .copyWithoutLastLine),
            Mutant(.growSuperblockDrain, .noDrain),
        ]
        for mutant in mutants {
            #expect(suite.killInGrowth(mutant) != nil, "\(mutant)")
        }
    }
}
