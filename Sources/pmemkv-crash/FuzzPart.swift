import Glibc
import PmemKVTesting

/// Runs the fuzz targets that scripts/crash has built.
struct FuzzPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of executions of all targets together.
    func run() -> Int {
        guard let directory = plan.fuzzers else { return 0 }
        let targets = ["fuzz-pool", "fuzz-dump", "fuzz-shell"]
        let total = Total()
        Workers.run(targets.count, threads: plan.threads) { number in
            let path = "\(directory)/\(targets[number])"
            let options =
                "-max_total_time=\(plan.fuzzSeconds) -print_final_stats=1 "
                + "-rss_limit_mb=2048 -timeout=10 -seed=\(plan.seed) -close_fd_mask=1 "
                + "-artifact_prefix=\(directory)/crash-\(targets[number])-"
            let command = "SWIFT_BACKTRACE=enable=no '\(path)' \(options) 2>&1"
            guard let pipe = popen(command, "r") else {
                return findings.fail("cannot run \(path)")
            }
            var text = ""
            var buffer = [CChar](repeating: 0, count: 4096)
            while fgets(&buffer, 4096, pipe) != nil {
                text += buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            }
            let status = pclose(pipe)
            let executions =
                text.split(separator: "\n")
                .first { $0.contains("number_of_executed_units") }
                .flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
            total.add(executions)
            if status != 0 || executions == 0 {
                findings.fail("fuzz target \(targets[number]):\n\(text.suffix(3000))")
            }
        }
        return total.count
    }

    private final class Total: @unchecked Sendable {
        private let lock = Lock()
        private var value = 0
        var count: Int { lock.with { value } }
        func add(_ count: Int) { lock.with { value += count } }
    }
}
