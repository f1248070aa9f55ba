import Foundation
import PmemKV

/// The results of a `kv` run as they are written to JSON. The schema number changes when a reader
/// of older files would misunderstand a newer one.
struct KVReport: Codable, Sendable {
    var schema = 1
    var kind = "kv"
    var command: [String]
    var date: String
    var environment: RunEnvironment
    var clock: CheapClock
    var plan: KVPlan
    var floor: MediumProbe?
    var engines: [EngineSummary]
    var results: [KVResult]
    /// What a reader must know: engines left out, noise, media that are not persistent.
    var notes: [String]
}

/// One engine and one workload over all repetitions.
struct KVResult: Codable, Sendable {
    var engine: EngineKind
    var workload: Workload
    var isDurable: Bool
    var isFloor: Bool
    var threads: Int
    var operations: Int
    var operationsPerSecond: Spread
    var megabytesPerSecond: Double
    var cpuNanosecondsPerOperation: Double
    /// Median over the repetitions of each percentile, in ns.
    var latency: Percentiles?
    var backgroundPerSecond: Double?
    var completedUntimed: Int?
    var isNoisy: Bool
    var floor: FloorKind
    /// This engine's operations per second as a part of the floor's.
    var ratioToFloor: Double?
    /// This engine's operations per second divided by each other engine's.
    var ratioTo: [String: Double]
    var skipped: String?
}

/// What an engine costs besides time.
struct EngineSummary: Codable, Sendable {
    var engine: EngineKind
    var isDurable: Bool
    var durability: String
    /// The store's index, "hash" or "ordered".
    var index: String?
    var setup: String
    var dramBytesPerKey: Double?
    var mediumBytesPerUserByte: Double?
    var writeAmplification: Double?
    /// Open and first read after the process was killed, and after a clean close, in seconds.
    var recoverySeconds: Spread?
    var openSeconds: Spread?
    /// CPU time of the same, all threads; results written before lack what follows.
    var recoveryCPUSeconds: Spread?
    var openCPUSeconds: Spread?
    /// Whether any repetition opened from an index that a clean close had left: after a kill it
    /// must not. Nil for an engine that leaves none.
    var recoveryUsedCheckpoint: Bool?
    var openUsedCheckpoint: Bool?
    var closeSeconds: Spread?
    var verifiedGets: Int
    /// Entries that scans returned and that were compared; results written before lack it.
    var verifiedEntries: Int?
    var mismatches: Int
    var firstMismatch: String?
    var count: Int?
    var expectedCount: Int?
    var failure: String?
}

/// All that one engine did in one repetition.
struct EngineRepetition: Sendable {
    var load: ChildResult?
    var work: ChildResult?
    var reopen: ChildResult?
    var failure: String?

    var figures: [WorkloadFigure] { (load?.figures ?? []) + (work?.figures ?? []) }
}

extension KVReport {
    /// Brings the repetitions together; ratios are between medians.
    static func results(
        _ plan: KVPlan, _ repetitions: [EngineKind: [EngineRepetition]]
    ) -> [KVResult] {
        var results: [KVResult] = []
        for workload in plan.workloads {
            for engine in plan.engines {
                let figures = (repetitions[engine] ?? []).flatMap(\.figures)
                    .filter { $0.workload == workload }
                if !figures.isEmpty {
                    results.append(merge(engine, workload, plan, figures))
                }
            }
        }
        return withRatios(results)
    }

    private static func merge(
        _ engine: EngineKind, _ workload: Workload, _ plan: KVPlan, _ figures: [WorkloadFigure]
    ) -> KVResult {
        func median(_ value: (WorkloadFigure) -> Double) -> Double {
            Spread(figures.map(value)).median
        }
        let rate = Spread(figures.map(\.operationsPerSecond))
        return KVResult(
            engine: engine, workload: workload, isDurable: engine.traits.isDurable,
            isFloor: engine.traits.isFloor, threads: plan.threads,
            operations: figures.reduce(0) { $0 + $1.operations } / figures.count,
            operationsPerSecond: rate,
            megabytesPerSecond: median(\.megabytesPerSecond),
            cpuNanosecondsPerOperation: median(\.cpuNanosecondsPerOperation),
            latency: Percentiles(medianOf: figures.compactMap(\.latency)),
            backgroundPerSecond: figures.first?.backgroundPerSecond == nil
                ? nil : median { $0.backgroundPerSecond ?? 0 },
            completedUntimed: figures.compactMap(\.completedUntimed).max(),
            isNoisy: rate.isNoisy, floor: workload.floor, ratioToFloor: nil, ratioTo: [:],
            skipped: figures.compactMap(\.skipped).first)
    }

    private static func withRatios(_ results: [KVResult]) -> [KVResult] {
        results.map { result in
            guard result.skipped == nil else { return result }
            var result = result
            let own = result.operationsPerSecond.median
            let others = results.filter { $0.workload == result.workload && $0.skipped == nil }
            for other in others where other.engine != result.engine {
                let rate = other.operationsPerSecond.median
                if rate > 0 { result.ratioTo[other.engine.rawValue] = own / rate }
            }
            if let floor = others.first(where: { $0.engine.rawValue == result.floor.engine }) {
                result.ratioToFloor = own / floor.operationsPerSecond.median
            }
            return result
        }
    }

    static func summaries(
        _ plan: KVPlan, _ repetitions: [EngineKind: [EngineRepetition]]
    ) -> [EngineSummary] {
        plan.engines.map { engine in
            let all = repetitions[engine] ?? []
            let load = all.compactMap(\.load)
            let work = all.compactMap(\.work)
            let reopen = all.compactMap(\.reopen)
            func spread(_ samples: [Double?]) -> Spread? {
                let present = samples.compactMap { $0 }
                return present.isEmpty ? nil : Spread(present)
            }
            func anyUsedCheckpoint(_ results: [ChildResult]) -> Bool? {
                let known = results.compactMap(\.usedCheckpoint)
                return known.isEmpty ? nil : known.contains(true)
            }
            let user = load.compactMap(\.userBytesPut).first.map(Double.init)
            return EngineSummary(
                engine: engine, isDurable: engine.traits.isDurable,
                durability: engine.traits.durability, index: engine.index?.rawValue,
                setup: load.first?.setup ?? "",
                dramBytesPerKey: spread(load.map { $0.dramBytes.map(Double.init) })
                    .map { $0.median / Double(plan.keys) },
                mediumBytesPerUserByte: engine.traits.isFloor
                    ? nil
                    : spread(load.map { $0.mediumBytes.map(Double.init) })
                        .map { $0.median / Double(max(1, plan.profile.userBytes)) },
                writeAmplification: user.flatMap { user in
                    spread(load.map { $0.bytesWritten.map(Double.init) }).map { $0.median / user }
                },
                recoverySeconds: plan.checksRecovery ? spread(work.map(\.openSeconds)) : nil,
                openSeconds: spread(reopen.map(\.openSeconds)),
                recoveryCPUSeconds: plan.checksRecovery ? spread(work.map(\.openCPUSeconds)) : nil,
                openCPUSeconds: spread(reopen.map(\.openCPUSeconds)),
                recoveryUsedCheckpoint: plan.checksRecovery ? anyUsedCheckpoint(work) : nil,
                openUsedCheckpoint: anyUsedCheckpoint(reopen),
                closeSeconds: spread(work.map(\.closeSeconds)),
                verifiedGets: work.reduce(0) { $0 + $1.verified },
                verifiedEntries: work.reduce(0) { $0 + $1.verifiedEntries },
                mismatches: work.reduce(0) { $0 + $1.mismatches },
                firstMismatch: work.compactMap(\.firstMismatch).first,
                count: reopen.last?.count, expectedCount: work.last?.expectedCount,
                failure: all.compactMap(\.failure).first)
        }
    }
}

extension EngineSummary {
    /// Opening and the first read after the process was killed, for a table.
    var openingAfterKill: String {
        Self.opening(recoverySeconds, recoveryCPUSeconds, recoveryUsedCheckpoint)
    }

    var openingAfterClose: String { Self.opening(openSeconds, openCPUSeconds, openUsedCheckpoint) }

    private static func opening(
        _ wall: Spread?, _ cpu: Spread?, _ usedCheckpoint: Bool?
    ) -> String {
        guard let wall else { return "-" }
        var text = Format.seconds(wall.median)
        if let cpu { text += " (\(Format.seconds(cpu.median)) CPU)" }
        if let usedCheckpoint { text += usedCheckpoint ? ", checkpoint" : ", no checkpoint" }
        return text
    }
}

extension Percentiles {
    init?(medianOf samples: [Percentiles]) {
        guard !samples.isEmpty else { return nil }
        func median(_ part: KeyPath<Percentiles, Double>) -> Double {
            Spread(samples.map { $0[keyPath: part] }).median
        }
        self.init(
            p50: median(\.p50), p90: median(\.p90), p99: median(\.p99), p999: median(\.p999),
            p9999: median(\.p9999), max: median(\.max), mean: median(\.mean))
    }
}
