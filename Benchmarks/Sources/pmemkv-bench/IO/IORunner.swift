import Foundation

/// Runs all configurations on all targets. Within a configuration the targets alternate, slice by
/// slice, and every other round in reverse order, so that drift of the machine hits all alike.
struct IORunner {
    let plan: IOPlan
    let targets: [IOTarget]
    let source: SourceFile?
    let say: @Sendable (String) -> Void

    func run() -> [IOResult] {
        plan.configurations.flatMap { configuration -> [IOResult] in
            say(configuration.label)
            return runAll(configuration)
        }
    }

    private func runAll(_ configuration: IOConfiguration) -> [IOResult] {
        var outcomes = [String: [[IOOutcome]]]()
        var reasons = [String: String]()
        for repetition in 0..<plan.repetitions {
            let order = repetition % 2 == 0 ? targets : targets.reversed()
            for target in order where reasons[target.name] == nil {
                do {
                    let slice = try slice(configuration, target, repetition)
                    outcomes[target.name, default: []].append(slice)
                } catch {
                    reasons[target.name] = "\(error)"
                }
            }
        }
        return targets.map {
            summarise(configuration, $0, outcomes[$0.name] ?? [], reasons[$0.name])
        }
    }

    private func slice(
        _ configuration: IOConfiguration, _ target: IOTarget, _ repetition: Int
    ) throws -> [IOOutcome] {
        if target.isDevice && configuration.operation.needsFile {
            throw BenchError("a devdax device has no read(2), write(2) or msync(2)")
        }
        if configuration.operation.readsSource && source == nil {
            throw BenchError("needs a directory for a source file (--source)")
        }
        return try configuration.operation.perform(
            TimedSlice(
                runner: self, configuration: configuration, target: target,
                seed: plan.seed &+ UInt64(repetition)))
    }

    private struct TimedSlice: IOBodyTask {
        let runner: IORunner
        let configuration: IOConfiguration
        let target: IOTarget
        let seed: UInt64

        func run<B: IOBody>(_ type: B.Type) throws -> [IOOutcome] {
            let configuration = configuration
            let target = target
            let source = runner.source
            let seed = seed
            let ticks = CheapClock.shared.ticks(seconds: runner.plan.seconds)
            return try ThreadTeam.run(configuration.threads) { thread, barrier in
                let context = IOContext(
                    target: target, blockSize: configuration.blockSize, thread: thread,
                    source: source)
                var loop = IOLoop(
                    body: try B(context),
                    offsets: OffsetSource(
                        size: target.size, blockSize: max(1, configuration.blockSize),
                        pattern: configuration.pattern, thread: thread,
                        threads: configuration.threads, seed: seed))
                defer { loop.body.finish() }
                barrier.arriveAndWait()
                return try loop.run(ticks: ticks)
            }
        }
    }

    private func summarise(
        _ configuration: IOConfiguration, _ target: IOTarget, _ slices: [[IOOutcome]],
        _ reason: String?
    ) -> IOResult {
        let clock = CheapClock.shared
        let rates = slices.map { threads in
            threads.reduce(0) { $0 + Double($1.done) / max(clock.seconds($1.ticks), 1e-9) }
        }
        var latency = LatencyRecorder()
        for thread in slices.joined() { latency.merge(thread.latency) }
        let spread = rates.isEmpty || reason != nil ? nil : Spread(rates)
        return IOResult(
            target: target.name, configuration: configuration, operationsPerSecond: spread,
            megabytesPerSecond: spread.map { $0.median * Double(configuration.blockSize) / 1e6 },
            latency: spread == nil ? nil : latency.percentiles(clock), samples: rates,
            isNoisy: spread?.isNoisy ?? false, skipped: reason)
    }

    /// Ratios with intervals from the repetitions, paired in time.
    func comparisons(_ results: [IOResult]) -> [IOComparison] {
        guard plan.compare.count == 2 else { return [] }
        return plan.configurations.compactMap { configuration in
            let samples = plan.compare.map { name in
                results.first {
                    $0.target == name && $0.configuration == configuration && $0.skipped == nil
                }?.samples ?? []
            }
            guard samples[0].count > 1, samples[0].count == samples[1].count else { return nil }
            return IOComparison(
                configuration: configuration, first: plan.compare[0], second: plan.compare[1],
                ratio: RatioInterval(pairs: Array(zip(samples[0], samples[1]))),
                isNullControl: configuration.operation.isNullControl)
        }
    }
}
