/// What `goals` can measure, by the name it has on the command line and in results.
enum GoalRow: String, Codable, CaseIterable, Sendable {
    case put, overwrite, get
    case getDependent = "get-dependent"
    case miss, delete, batch8, batch64, transaction
    case multiGet = "multi-get"
    case smallPut = "8-byte-put"
    case smallOverwrite = "8-byte-overwrite"
    case smallGet = "8-byte-get"
    case smallGetDependent = "8-byte-get-dependent"
    case smallMiss = "8-byte-miss"
    case put4K = "put-4KiB"
    case put64K = "put-64KiB"
    case orderedPut = "ordered-put"
    case orderedOverwrite = "ordered-overwrite"
    case orderedRemove = "ordered-remove"
    case scanRate = "scan-rate"
    case scan
    case scanOverwritten = "scan-overwritten"
    case readseq
    case readseqOverwritten = "readseq-overwritten"
    case dramHash = "dram-hash"
    case dramOrdered = "dram-ordered"
    case orderedOpenClean = "ordered-open-clean"
    case orderedOpenKill = "ordered-open-kill"
    case recoveryClean = "open-clean"
    case recoveryKill = "open-kill"
    case put2 = "put-2-threads"
    case get2 = "get-2-threads"
    case tail50 = "tail-50"
    case tail70 = "tail-70"
    case tail90 = "tail-90"
    case p9999At50 = "p99.99-50"
    case p9999At70 = "p99.99-70"
    case p9999At90 = "p99.99-90"
    case max50 = "max-50"
    case max70 = "max-70"
    case max90 = "max-90"
    case writes50 = "writes-50"
    case writes70 = "writes-70"
    case writes90 = "writes-90"
    case writesZipfian90 = "writes-zipfian-90"
    case compaction
    case msync1 = "msync-1"
    case msync4 = "msync-4"
    case msync16 = "msync-16"
    case syscalls1 = "syscalls-1"
    case syscalls4 = "syscalls-4"
    case syscalls16 = "syscalls-16"
}

/// One goal: what is measured, what it is a ratio to, and the number that it has to reach.
struct Goal: Codable, Sendable {
    enum Bound: String, Codable, Sendable {
        case atMost = "<="
        case atLeast = ">="
    }

    enum Unit: String, Codable, Sendable {
        /// A ratio to what `reference` names.
        case times = "x"
        case nanoseconds = "ns"
        case microseconds = "us"
        case bytes = "B"
        case perSecond = "/s"
    }

    var row: GoalRow
    var what: String
    var bound: Bound
    var limit: Double
    var unit: Unit
    /// What a ratio is to; for other units that there is no floor of its own, and why.
    var reference: String
    /// Where the number comes from.
    var source: String

    init(
        _ row: GoalRow, _ what: String, _ bound: Bound, _ limit: Double, _ unit: Unit = .times,
        to reference: String, because source: String
    ) {
        self.row = row
        self.what = what
        self.bound = bound
        self.limit = limit
        self.unit = unit
        self.reference = reference
        self.source = source
    }

    func isMet(by value: Double) -> Bool {
        switch bound {
        case .atMost: value <= limit
        case .atLeast: value >= limit
        }
    }

    func text(_ value: Double) -> String {
        switch unit {
        case .times: Format.fixed(value, 2) + "x"
        case .nanoseconds, .microseconds, .bytes:
            Format.fixed(value, value < 100 ? 1 : 0) + " " + unit.rawValue
        case .perSecond: Format.rate(value) + unit.rawValue
        }
    }
}

/// What was found for a row.
struct GoalMeasurement: Codable, Sendable {
    var row: GoalRow
    /// In the goal's unit; nil when it could not be measured.
    var value: Double?
    /// The quartiles over all rounds.
    var low: Double?
    var high: Double?
    /// The ratio by processor time of all threads, which other work on the machine touches less.
    var byCPU: Double?
    /// Medians of a unit of work, in ns: of the store, and of what it is a ratio to.
    var nanoseconds: Double?
    var referenceNanoseconds: Double?
    /// What else a reader should know; why there is no value.
    var remark: String?
}
