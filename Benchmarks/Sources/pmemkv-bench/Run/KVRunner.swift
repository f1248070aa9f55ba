import CBench
import Foundation
import PmemPlaces

/// Drives a `kv` run: the engines in turn, repetition by repetition, each phase in a child process.
struct KVRunner {
    let plan: KVPlan
    let say: @Sendable (String) -> Void

    func run() throws -> [EngineKind: [EngineRepetition]] {
        var all: [EngineKind: [EngineRepetition]] = [:]
        let clock = ContinuousClock()
        let start = clock.now
        for repetition in 1...plan.repetitions {
            // One more repetition is begun only when the time budget allows one as long as those
            // before it.
            let elapsed = Double((clock.now - start).components.seconds)
            let next = elapsed / Double(max(1, repetition - 1)) * Double(repetition)
            if repetition > 1 && plan.budget > 0 && next > plan.budget {
                say("the time budget ends the run after \(repetition - 1) repetition(s)")
                break
            }
            for engine in plan.engines {
                say("repetition \(repetition)/\(plan.repetitions): \(engine.rawValue)")
                let outcome = repeatOnce(engine)
                if let failure = outcome.failure { say("  \(engine.rawValue): \(failure)") }
                all[engine, default: []].append(outcome)
            }
        }
        return all
    }

    private func repeatOnce(_ engine: EngineKind) -> EngineRepetition {
        var outcome = EngineRepetition()
        let isDevice = Self.isDevice(plan.path)
        let directory =
            isDevice
            ? plan.path
            : plan.path + "/pmemkv-bench-\(getpid())-\(engine.rawValue)"
        defer {
            if !isDevice { try? FileManager.default.removeItem(atPath: directory) }
        }
        func child(_ phase: ChildTask.Phase) throws -> ChildResult {
            let task = ChildTask(
                phase: phase, plan: plan, engine: engine, directory: directory, clock: .shared)
            return try ChildProcess.run(task)
        }
        do {
            if engine.traits.isPersistent {
                outcome.load = try child(.load)
                outcome.work = try child(.work)
                outcome.reopen = try child(.reopen)
            } else {
                outcome.load = try child(.loadAndWork)
            }
        } catch {
            outcome.failure = "\(error)"
        }
        return outcome
    }

    static func isDevice(_ path: String) -> Bool {
        PlaceFacts.inspect(path: path).kind == .devdax
    }
}

/// Starts this program again as `run-one-phase` and reads back what it reports.
enum ChildProcess {
    static func run(_ task: ChildTask) throws -> ChildResult {
        try run(
            "run-one-phase", task, named: task.phase.rawValue, endsByKill: task.endsByKill,
            ChildResult.self)
    }

    /// Runs this program with a command that takes the path of a task and the path for its result.
    static func run<Result: Decodable>(
        _ command: String, _ task: some Encodable, named name: String, endsByKill: Bool = false,
        _ type: Result.Type
    ) throws -> Result {
        let files = FileManager.default
        let stem = files.temporaryDirectory.path + "/pmemkv-bench-\(getpid())"
        let taskPath = stem + ".task.json"
        let resultPath = stem + ".result.json"
        defer {
            try? files.removeItem(atPath: taskPath)
            try? files.removeItem(atPath: resultPath)
        }
        try? files.removeItem(atPath: resultPath)
        try JSONEncoder().encode(task).write(to: URL(fileURLWithPath: taskPath))
        let status = try run([command, taskPath, resultPath])
        guard let data = files.contents(atPath: resultPath) else {
            let how = status & 0x7f == 0 ? "exit code \(status >> 8)" : "signal \(status & 0x7f)"
            throw BenchError("\(name) ended without a result (\(how))")
        }
        guard (status == SIGKILL) == endsByKill else {
            throw BenchError("\(name) had a result and ended by status \(status)")
        }
        return try JSONDecoder().decode(type, from: data)
    }

    /// Runs this program with these arguments; what waitpid(2) says of its end.
    private static func run(_ arguments: [String]) throws -> Int32 {
        let program = "/proc/self/exe"
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var status: Int32 = 0
        let failure = bench_run(program, &words, &status)
        guard failure == 0 else {
            throw BenchError("cannot run a child: \(String(cString: strerror(failure)))")
        }
        return status
    }
}
