import Glibc
import PmemKVTesting

@main
enum Crash {
    static func main() {
        let known = StateSet(bits: 24)
        var shape = PoolShape()
        shape.keys = 2
        let explorer = Explorer(shape: shape, effort: Effort(), known: known, seed: 1)
        let runner = ScriptRunner(explorer: explorer, seed: 1)
        var failures = 0
        let lengths = [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257]
        var operations: [PmemKVTesting.Operation] = []
        for key in 0..<2 {
            for length in lengths { operations.append(.put(key: key, length: length, relaxed: false)) }
            operations.append(.remove(key: key, relaxed: false))
        }
        let limit = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1])! : 24
        for a in operations.prefix(limit) {
            for b in operations.prefix(limit) {
                for c in operations {
                    let script = Script(shape, [Step(a), Step(b), Step(c)], silentSteps: 2)
                    if let failure = runner.run(script) {
                        print(failure)
                        failures += 1
                        if failures > 3 { exit(1) }
                    }
                }
            }
        }
        print(explorer.tally, failures)
    }
}
