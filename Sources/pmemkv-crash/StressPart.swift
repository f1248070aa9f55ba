import Glibc
import PmemKV
import PmemKVTesting

/// Many threads on one store at full speed. Built with a sanitizer (scripts/sanitize), which sees
/// what no answer of the store shows; not part of a run without `--only`, since the schedules are
/// those of the machine.
struct StressPart: Sendable {
    let plan: Plan
    let findings: Findings

    func run() {
        var operations = 0
        for round in 0..<plan.stressRounds {
            let path = "/dev/shm/pmemkv-stress-\(getpid())"
            defer { unlink(path) }
            // Half of the rounds on a file, half on memory, where the sanitizer sees every store.
            let stress = Stress(
                seed: plan.seed(round), path: round % 2 == 0 ? path : nil,
                index: round % 4 < 2 ? .ordered : .hash, closesEarly: round % 8 < 4)
            if let problem = stress.run() { findings.fail("stress round \(round): \(problem)") }
            operations += stress.operations
        }
        findings.say("stress: \(operations) operations of 7 threads")
    }
}
