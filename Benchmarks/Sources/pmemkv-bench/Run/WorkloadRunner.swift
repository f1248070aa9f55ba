import CBench
import Foundation

/// Runs one workload on an opened engine: streams before the clock starts, threads that start
/// together, and the figures of what they did.
struct WorkloadRunner<E: Engine> {
    let task: ChildTask
    let keys: KeyCodec
    let engine: E

    private var plan: KVPlan { task.plan }

    private var builder: StreamBuilder {
        StreamBuilder(
            keys: plan.keys, operationsPerThread: max(1, plan.operations / plan.threads),
            threads: plan.threads, seed: plan.seed)
    }

    /// Fills, timed up to the limit; completes the data set untimed when the limit cut it short.
    /// Returns the user bytes that were put, timed or not.
    func fill(
        _ workload: Workload, version: UInt32, _ state: inout ExpectedState
    ) throws -> (WorkloadFigure, Int) {
        let streams = builder.build(workload, version: version, firstInsert: plan.keys)
        let limit = RunLimit(
            ticks: CheapClock.shared.ticks(seconds: plan.timeLimit),
            recordsLatency: plan.recordsLatency)
        let outcomes = try drive(streams, limits: streams.map { _ in limit })
        var figure = summarise(workload, outcomes, of: outcomes)
        var userBytes = outcomes.reduce(0) { $0 + $1.bytesPut }
        for (stream, outcome) in zip(streams, outcomes) {
            state.apply(stream, done: outcome.done)
        }
        let rest = zip(streams, outcomes).map { stream, outcome in
            var left = stream
            left.operations.removeFirst(outcome.done)
            return left
        }
        let untimed = rest.reduce(0) { $0 + $1.operations.count }
        if untimed > 0 {
            try engine.setRelaxed(true)
            let completed = try drive(rest, limits: rest.map { _ in RunLimit() })
            try engine.setRelaxed(false)
            for (stream, outcome) in zip(rest, completed) {
                state.apply(stream, done: outcome.done)
                userBytes += outcome.bytesPut
            }
            figure.completedUntimed = untimed
        }
        return (figure, userBytes)
    }

    func measure(
        _ workload: Workload, version: UInt32, _ state: inout ExpectedState
    ) throws -> WorkloadFigure {
        if let reason = reasonToSkip(workload) { return skipped(workload, reason) }
        let streams = builder.build(workload, version: version, firstInsert: state.capacity)
        try warmUp(streams)
        let stop = StopFlag()
        let limits = streams.indices.map { thread -> RunLimit in
            let goesOn = plan.duration > 0 && streams[thread].repeats
            var limit = RunLimit(
                operations: goesOn ? .max : streams[thread].operations.count,
                ticks: CheapClock.shared.ticks(seconds: goesOn ? plan.duration : plan.timeLimit),
                recordsLatency: plan.recordsLatency)
            if thread >= plan.threads {
                limit.operations = .max
                limit.ticks = 0
                limit.stop = stop
            }
            return limit
        }
        let outcomes = try drive(streams, limits: limits, stop: stop)
        for (stream, outcome) in zip(streams, outcomes) {
            state.apply(stream, done: outcome.done)
        }
        var figure = summarise(workload, Array(outcomes.prefix(plan.threads)), of: outcomes)
        if let writer = outcomes.dropFirst(plan.threads).first {
            let seconds = CheapClock.shared.seconds(writer.end - writer.start)
            figure.backgroundPerSecond = Double(writer.done) / max(seconds, 1e-9)
        }
        return figure
    }

    private func reasonToSkip(_ workload: Workload) -> String? {
        let traits = task.engine.traits
        if traits.isFloor {
            let isItsOwn = workload.floor.engine == task.engine.rawValue
            let readsMany = workload.needsOrder || workload == .readseq
            let canDo = task.engine == .floorAppend ? workload.floor != .index : !readsMany
            return isItsOwn || canDo ? nil : "floor: \(workload.floor.engine)"
        }
        return workload.needsOrder && !traits.isOrdered ? "keeps no key order" : nil
    }

    private func skipped(_ workload: Workload, _ reason: String) -> WorkloadFigure {
        WorkloadFigure(
            workload: workload, operations: 0, seconds: 0, operationsPerSecond: 0,
            megabytesPerSecond: 0, cpuNanosecondsPerOperation: 0, latency: nil, hits: 0, misses: 0,
            skipped: reason)
    }

    /// Reads only: a warm-up changes nothing in the store.
    private func warmUp(_ streams: [OperationStream]) throws {
        guard plan.warmup > 0 else { return }
        let reads = streams.map { stream -> OperationStream in
            var copy = stream
            copy.operations = stream.operations.filter { $0.kind == .get || $0.kind == .scan }
            copy.repeats = true
            return copy
        }
        guard reads.contains(where: { !$0.operations.isEmpty }) else { return }
        let limit = RunLimit(ticks: CheapClock.shared.ticks(seconds: plan.warmup))
        _ = try drive(reads, limits: reads.map { _ in limit })
    }

    /// One thread per stream. With `stop`, the threads past the planned ones go on until the others
    /// have ended.
    private func drive(
        _ streams: [OperationStream], limits: [RunLimit], stop: StopFlag? = nil
    ) throws -> [ThreadOutcome] {
        let engine = engine
        let keys = keys
        let plan = plan
        let countdown = Barrier(plan.threads)
        return try ThreadTeam.run(streams.count) { thread, barrier in
            defer {
                if thread < plan.threads, countdown.arrive() { stop?.raise() }
            }
            var loop = RunLoop(
                worker: try engine.makeWorker(thread: thread), keys: keys,
                valueSizes: plan.valueSize)
            defer { loop.finish() }
            barrier.arriveAndWait()
            return try loop.run(streams[thread], limit: limits[thread])
        }
    }

    /// Figures of the planned threads; CPU time is that of the whole process, the engine's own
    /// threads and a writer beside readers included.
    private func summarise(
        _ workload: Workload, _ outcomes: [ThreadOutcome], of all: [ThreadOutcome]
    ) -> WorkloadFigure {
        let cpuSeconds = (all.map(\.cpuAtEnd).max() ?? 0) - (all.map(\.cpuAtStart).min() ?? 0)
        let clock = CheapClock.shared
        var latency = LatencyRecorder()
        for outcome in outcomes { latency.merge(outcome.latency) }
        let start = outcomes.map(\.start).min() ?? 0
        let end = outcomes.map(\.end).max() ?? 0
        let seconds = max(clock.seconds(end - start), 1e-9)
        let done = outcomes.reduce(0) { $0 + (workload.countsEntries ? $1.entries : $1.done) }
        let bytes = outcomes.reduce(0) { $0 + $1.bytes }
        let hasLatency = plan.recordsLatency && !workload.countsEntries && !latency.isEmpty
        return WorkloadFigure(
            workload: workload, operations: done, seconds: seconds,
            operationsPerSecond: Double(done) / seconds,
            megabytesPerSecond: Double(bytes) / seconds / 1e6,
            cpuNanosecondsPerOperation: cpuSeconds * 1e9 / Double(max(1, done)),
            latency: hasLatency ? latency.percentiles(clock) : nil,
            hits: outcomes.reduce(0) { $0 + $1.hits },
            misses: outcomes.reduce(0) { $0 + $1.misses })
    }
}
