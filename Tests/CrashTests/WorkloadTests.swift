// The enumerator end to end, small enough for a debug build; scripts/crash runs the whole of it.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Crash workloads")
struct WorkloadTests {
    private var effort: Effort {
        var effort = Effort()
        effort.statesPerDrain = 24
        effort.nestedStatesPerDrain = 12
        return effort
    }

    private func run(_ script: Script, mutant: Mutant? = nil) -> Failure? {
        let explorer = Explorer(
            shape: script.shape, effort: effort, known: StateSet(bits: 18), seed: 1)
        explorer.mutant = mutant
        return ScriptRunner(explorer: explorer, seed: 1).run(script)
    }

    @Test("Random scripts recover", arguments: 1...12)
    func random(seed: UInt64) {
        #expect(run(Workloads.random(seed: seed))?.description == nil)
    }

    @Test("Two writers recover", arguments: 1...12)
    func parallel(seed: UInt64) {
        #expect(run(Workloads.parallel(seed: seed))?.description == nil)
    }

    @Test("Creating a pool over another leaves the old, the new, or none")
    func creation() {
        let runner = CreationRunner(shape: PoolShape(), known: StateSet(bits: 20))
        #expect(runner.run() == nil)
        #expect(runner.states > 100)
    }

    @Test("A failing script shrinks to what makes it fail")
    func shrinking() {
        let mutant = Mutant(.record, .copyWithoutFlush)
        let script = Script(
            PoolShape(), parsing: "put 1 64\ndel 1\nget 0\nput 0 257\nput 1 8\nreopen")
        #expect(run(script, mutant: mutant) != nil)
        let short = script.shrunk { run($0, mutant: mutant) != nil }
        #expect(short.steps.count == 1)
    }

    @Test("A script's text says everything")
    func text() {
        for seed in 1...20 as ClosedRange<UInt64> {
            let script = Workloads.random(seed: seed)
            let text = script.steps.map(\.description).joined(separator: "\n")
            #expect(Script(script.shape, parsing: text).steps == script.steps)
        }
    }

    @Test("Exhaustive numbering names every sequence once")
    func numbering() {
        #expect(Workloads.exhaustiveCount == 24 + 576 + 13824)
        var seen: Set<String> = []
        for number in 0..<(24 + 576) {
            let script = Workloads.exhaustive(number, shape: PoolShape())
            seen.insert(script.steps.map(\.description).joined(separator: ";"))
        }
        #expect(seen.count == 24 + 576)
    }
}
