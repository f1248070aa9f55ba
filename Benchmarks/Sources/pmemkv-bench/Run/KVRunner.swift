import Foundation

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
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFCHR
    }
}

/// Starts this program again as `run-one-phase` and reads back what it reports.
enum ChildProcess {
    static func run(_ task: ChildTask) throws -> ChildResult {
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
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["run-one-phase", taskPath, resultPath]
        var environment = ProcessInfo.processInfo.environment
        if task.plan.forcedPmem { environment["PMEM_IS_PMEM_FORCE"] = "1" }
        process.environment = environment
        process.standardOutput = FileHandle.standardError
        try process.run()
        process.waitUntilExit()
        guard let data = files.contents(atPath: resultPath) else {
            let how = process.terminationReason == .exit ? "exit code" : "signal"
            throw BenchError(
                "\(task.phase.rawValue) ended without a result "
                    + "(\(how) \(process.terminationStatus))")
        }
        return try JSONDecoder().decode(ChildResult.self, from: data)
    }
}
