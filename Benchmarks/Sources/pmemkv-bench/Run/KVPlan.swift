import Foundation

/// Everything that decides a `kv` run; part of the results, so that a run can be repeated.
struct KVPlan: Codable, Sendable {
    var path: String
    var engines: [EngineKind]
    var workloads: [Workload]
    var keys: Int
    var keySize: SizeDistribution
    var valueSize: SizeDistribution
    var threads: Int
    /// Operations of every workload that is not a fill, over all threads.
    var operations: Int
    /// Run every workload that can be repeated for this many seconds; 0: `operations` once.
    var duration: Double
    /// Untimed operations before a timed workload, in seconds.
    var warmup: Double
    /// No workload runs longer than this many seconds, 0: no limit. A fill that meets the limit is
    /// completed untimed and without synchronous commits.
    var timeLimit: Double
    var repetitions: Int
    /// No repetition is begun that would probably end later than this, in seconds; 0: no limit.
    var budget: Double
    var seed: UInt64
    var recordsLatency: Bool
    var store: StoreOptions
    var checksRecovery: Bool
    /// PMEM_IS_PMEM_FORCE=1 was set because the place is no persistent memory.
    var forcedPmem: Bool

    /// Fills first (the last one stays), then what works on it.
    var fills: [Workload] {
        let wanted = workloads.filter(\.isFill)
        return wanted.isEmpty ? [.fillrandom] : wanted
    }

    var afterFill: [Workload] { workloads.filter { !$0.isFill } }

    var profile: DatasetProfile {
        let perOperation = afterFill.reduce(0.0) { sum, workload in
            switch workload {
            case .overwrite, .readwhilewriting: sum + 2
            case .ycsbA, .ycsbF: sum + 1.2
            case .ycsbB, .ycsbD, .ycsbE: sum + 0.2
            default: sum
            }
        }
        let repeated = Double(operations) / Double(keys) * perOperation
        return DatasetProfile(
            keys: keys, keySizes: keySize, valueSizes: valueSize, threads: threads,
            processors: ProcessInfo.processInfo.activeProcessorCount,
            writesPerKey: 1 + repeated)
    }
}

/// What a child process is told to do. Each engine runs in children of its own, so that memory,
/// background threads and a crash of one engine touch no other; the first is killed without
/// closing, the second recovers and works, the third opens what was closed cleanly.
struct ChildTask: Codable, Sendable {
    enum Phase: String, Codable, Sendable { case load, work, reopen, loadAndWork }
    var phase: Phase
    var plan: KVPlan
    var engine: EngineKind
    var directory: String
    var clock: CheapClock

    /// Whether the child must end by SIGKILL with its engine open.
    var endsByKill: Bool { phase == .load && plan.checksRecovery }
}

/// One workload of one repetition.
struct WorkloadFigure: Codable, Sendable {
    var workload: Workload
    var operations: Int
    var seconds: Double
    var operationsPerSecond: Double
    var megabytesPerSecond: Double
    var cpuNanosecondsPerOperation: Double
    var latency: Percentiles?
    var hits: Int
    var misses: Int
    /// Writes per second of the thread that writes beside readers.
    var backgroundPerSecond: Double?
    /// Operations done untimed because a fill met its time limit.
    var completedUntimed: Int?
    /// Why it was not run.
    var skipped: String?
}

/// What a child reports.
struct ChildResult: Codable, Sendable {
    var figures: [WorkloadFigure] = []
    var setup = ""
    var medium: String?
    /// Opening and reading one key, in seconds.
    var openSeconds: Double?
    /// CPU time of the same, of all threads: other work on the machine hardly touches it.
    var openCPUSeconds: Double?
    /// Whether the engine opened from an index that a clean close had left; nil: it keeps none.
    var usedCheckpoint: Bool?
    var closeSeconds: Double?
    var dramBytes: Int?
    var mediumBytes: Int?
    var bytesWritten: Int?
    var userBytesPut: Int?
    var count: Int?
    var expectedCount: Int?
    var verified = 0
    var verifiedEntries = 0
    var mismatches = 0
    var firstMismatch: String?
}
