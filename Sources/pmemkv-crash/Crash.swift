import Glibc
import PmemKVTesting

/// The crash suite: enumerates crash states, scores mutants, flips bits, runs the fuzz targets,
/// and ends with one line of numbers. docs/crash-model.md tells what it all means.
@main
enum Crash {
    static func main() {
        guard let plan = parse(Array(CommandLine.arguments.dropFirst())) else {
            print(
                """
                usage: pmemkv-crash [--seed N] [--long] [--threads N] [--fuzzers DIRECTORY]
                                    [--only states,interleavings,preemptions,mutants,flips,
                                     fuzz,stress]
                                    [--replay random:SEED | parallel:SEED]
                """)
            exit(64)
        }
        let findings = Findings()
        var interleavings = 0
        var killed = 0
        var mutants = 0
        var flips = 0
        var fuzz = 0
        if let replay = plan.replay {
            StatesPart(plan: plan, findings: findings).replay(replay)
        } else if plan.parts.contains("states") {
            timed("crash states", findings) { StatesPart(plan: plan, findings: findings).run() }
        }
        if plan.parts.contains("interleavings") {
            timed("interleavings", findings) {
                interleavings = InterleavingsPart(plan: plan, findings: findings).run()
            }
        }
        if plan.parts.contains("preemptions") {
            timed("preemptions", findings) {
                interleavings += PreemptionsPart(plan: plan, findings: findings).run()
            }
        }
        if plan.parts.contains("stress") {
            timed("stress", findings) { StressPart(plan: plan, findings: findings).run() }
        }
        if plan.parts.contains("mutants") {
            timed("mutants", findings) {
                (killed, mutants) = MutantsPart(plan: plan, findings: findings).run()
            }
        }
        if plan.parts.contains("flips") {
            timed("bit flips", findings) { flips = FlipsPart(plan: plan, findings: findings).run() }
        }
        if plan.parts.contains("fuzz") {
            timed("fuzzing", findings) { fuzz = FuzzPart(plan: plan, findings: findings).run() }
        }
        let tally = findings.tally
        print(
            "\(tally.scripts) scripts, \(tally.drains) drains, \(tally.longExaminations) long "
                + "examinations, \(tally.uselessFlushes) flushes of clean lines; seed \(plan.seed)")
        print(
            "crash: \(tally.states) distinct states, \(tally.nested) nested, "
                + "\(interleavings) interleavings, \(killed)/\(mutants) mutants killed, "
                + "\(flips) bit flips, \(fuzz) fuzz executions, \(findings.failures) failures")
        exit(findings.failures == 0 ? 0 : 1)
    }

    private static func parse(_ arguments: [String]) -> Plan? {
        var plan = Plan()
        var rest = arguments[...]
        var isChosen = false
        while let word = rest.popFirst() {
            switch word {
            case "--long": plan.isLong = true
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                plan.seed = seed
            case "--threads":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else {
                    return nil
                }
                plan.threads = count
            case "--fuzzers":
                guard let directory = rest.popFirst() else { return nil }
                plan.fuzzers = directory
            case "--replay":
                guard let replay = rest.popFirst().flatMap({ Plan.Replay($0) }) else { return nil }
                plan.replay = replay
                plan.parts = []
            case "--only":
                // A run of nothing would pass.
                guard let words = rest.popFirst() else { return nil }
                let parts = words.split(separator: ",", omittingEmptySubsequences: false)
                plan.parts = Set(parts.map(String.init))
                guard plan.parts.isSubset(of: Plan.knownParts) else { return nil }
                isChosen = true
            default: return nil
            }
        }
        // The targets are built by scripts/crash; without them there is no fuzzing.
        if isChosen, plan.parts.contains("fuzz"), plan.fuzzers == nil { return nil }
        return plan
    }

    private static func timed(_ name: String, _ findings: Findings, _ body: () -> Void) {
        var start = timespec()
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        body()
        clock_gettime(CLOCK_MONOTONIC, &end)
        findings.say("\(name): \(end.tv_sec - start.tv_sec) s")
    }
}
