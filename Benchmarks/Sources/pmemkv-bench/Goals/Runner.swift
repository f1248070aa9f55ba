import CBench
import Foundation

/// What a stretch of work took, for each operation, in ns.
struct Lap: Sendable {
    var nanoseconds: Double
    /// Processor time of all threads of the process.
    var cpuNanoseconds: Double
    var latency = LatencyRecorder()

    init(_ outcomes: [ThreadOutcome], entries: Bool = false) {
        let done = outcomes.reduce(0) { $0 + (entries ? $1.entries : $1.done) }
        let start = outcomes.map(\.start).min() ?? 0
        let end = outcomes.map(\.end).max() ?? 0
        let cpu = (outcomes.map(\.cpuAtEnd).max() ?? 0) - (outcomes.map(\.cpuAtStart).min() ?? 0)
        nanoseconds = CheapClock.shared.nanoseconds(end - start) / Double(max(1, done))
        cpuNanoseconds = cpu * 1e9 / Double(max(1, done))
        for outcome in outcomes { latency.merge(outcome.latency) }
    }
}

/// An open engine of whatever type that runs streams of operations, lap by lap.
protocol Runner: AnyObject {
    /// One thread for each stream.
    func run(_ streams: [OperationStream], _ limit: RunLimit) throws -> [ThreadOutcome]
    func close() throws
}

extension Runner {
    /// Runs a stream once on this thread, without a look at the clock for each operation.
    func lap(_ stream: OperationStream) throws -> Lap {
        let counts = stream.operations.first?.kind == .readAll
        return Lap(try run([stream], RunLimit(recordsLatency: false)), entries: counts)
    }

    func laps(_ streams: [OperationStream]) throws -> Lap {
        Lap(try run(streams, RunLimit(recordsLatency: false)))
    }
}

final class EngineRunner<E: Engine>: Runner {
    let engine: E
    private let keys: KeyCodec
    private let valueSizes: SizeDistribution
    /// That of the thread which made the runner: what it has in caches stays there between laps.
    private var loop: RunLoop<E.Worker>

    init(_ engine: E, keys: KeyCodec, valueSizes: SizeDistribution) throws {
        self.engine = engine
        self.keys = keys
        self.valueSizes = valueSizes
        loop = RunLoop(
            worker: try engine.makeWorker(thread: 0), keys: keys, valueSizes: valueSizes)
    }

    func run(_ streams: [OperationStream], _ limit: RunLimit) throws -> [ThreadOutcome] {
        let outcomes: [ThreadOutcome]
        if streams.count == 1 {
            outcomes = [try loop.run(streams[0], limit: limit)]
        } else {
            let (engine, keys, valueSizes) = (engine, keys, valueSizes)
            outcomes = try ThreadTeam.run(streams.count) { thread, barrier in
                var loop = RunLoop(
                    worker: try engine.makeWorker(thread: thread), keys: keys,
                    valueSizes: valueSizes)
                defer { loop.finish() }
                barrier.arriveAndWait()
                return try loop.run(streams[thread], limit: limit)
            }
        }
        for (stream, outcome) in zip(streams, outcomes) { try check(stream, outcome) }
        return outcomes
    }

    /// Work that was not done is no measurement.
    private func check(_ stream: OperationStream, _ outcome: ThreadOutcome) throws {
        let isRight =
            switch stream.operations.first?.kind {
            case .get, .getDependent, .groupGet, .groupEnd, .remove: outcome.hits == outcome.done
            case .getMissing: outcome.misses == outcome.done
            case .scan, .readAll: outcome.entries > 0
            default: true
            }
        guard isRight else {
            throw BenchError(
                "\(engine.setup): of \(outcome.done) operations \(outcome.hits) found their key "
                    + "and \(outcome.misses) did not, \(outcome.entries) entries were seen")
        }
    }

    func close() throws {
        loop.finish()
        try engine.close()
    }
}

/// Opens an engine of a kind that is known at run time only.
struct OpenRunner: EngineTask {
    let keys: KeyCodec
    let valueSizes: SizeDistribution

    func run<E: Engine>(_ open: @escaping () throws -> E) throws -> any Runner {
        try EngineRunner(try open(), keys: keys, valueSizes: valueSizes)
    }
}
