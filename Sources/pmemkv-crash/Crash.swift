import Glibc
import PmemKVTesting

@main
enum Crash {
    static func main() {
        let known = StateSet(bits: 24)
        let arguments = CommandLine.arguments
        let mode = arguments.count > 1 ? arguments[1] : "random"
        let from = arguments.count > 2 ? UInt64(arguments[2])! : 1
        let count = arguments.count > 3 ? UInt64(arguments[3])! : 100
        var effort = Effort()
        effort.statesPerDrain = 96
        var tally = Tally()
        var failures = 0
        for seed in from..<(from + count) {
            if getenv("VERBOSE") != nil { print("seed", seed) }
            let script = mode == "random" ? Workloads.random(seed: seed) : Workloads.parallel(seed: seed)
            let explorer = Explorer(shape: script.shape, effort: effort, known: known, seed: seed)
            let runner = ScriptRunner(explorer: explorer, seed: seed)
            if runner.run(script) != nil {
                failures += 1
                func rerun(_ script: Script) -> Failure? {
                    let fresh = StateSet(bits: 20)
                    let explorer = Explorer(shape: script.shape, effort: effort, known: fresh, seed: seed)
                    return ScriptRunner(explorer: explorer, seed: seed).run(script)
                }
                let short = script.shrunk { rerun($0) != nil }
                print(rerun(short) ?? "does not repeat")
                if failures > 5 { break }
            }
            tally += explorer.tally
            tally.uselessFlushes += runner.uselessFlushes
        }
        print(tally, failures)
    }
}
