import ArgumentParser
import Foundation
import PmemPlaces

struct KVCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "Times the store, its peers and the physical floors on the same work.",
        discussion: """
            Workloads: \(Workload.allCases.map(\.rawValue).joined(separator: ", ")).
            Engines: \(EngineKind.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "Directory (or devdax device) of the medium. Default: /dev/shm, not durable.")
    var path: String?

    @Option(help: "Comma-separated engines; 'all', 'durable', 'store'.")
    var engines = "all"

    @Option(help: "Comma-separated workloads; 'all', 'dbbench', 'ycsb'.")
    var workloads = "all"

    @Option(help: "Keys in the data set. Default: 1000000.")
    var keys: Int?

    @Option(help: "Key size in bytes: N or MIN-MAX.")
    var keySize = "16"

    @Option(help: "Value size in bytes: N or MIN-MAX.")
    var valueSize = "200"

    @Option(help: "Threads.")
    var threads = 1

    @Option(help: "Operations of a workload that is not a fill. Default: as many as keys.")
    var operations: Int?

    @Option(help: "Run workloads that can be repeated for this many seconds instead.")
    var duration = 0.0

    @Option(help: "Untimed reads before a timed workload, in seconds. Default: 0.2.")
    var warmup: Double?

    @Option(help: "End a workload after this many seconds; 0: no limit. Default: 30.")
    var timeLimit: Double?

    @Option(help: "Repetitions; the table shows the median, the least and the greatest.")
    var repetitions = 3

    @Option(help: "Begin no repetition that would probably end later, in seconds; 0: no limit.")
    var budget: Double?

    @Option(help: "Which engines by durability: durable, relaxed, both.")
    var durability = "both"

    @Option(help: "I/O path of the store: auto, mapped or syscalls.")
    var io = "auto"

    @Option(help: "Index of the store: hash (pmemkv), ordered (pmemkv-ordered) or both.")
    var index = "both"

    @Option(help: "Segment size of the store, in bytes.")
    var segmentSize: Int?

    @Option(help: "Seed of every random stream.")
    var seed: UInt64 = 20_190_501

    @Flag(help: "Do not read the clock for every operation: throughput only.")
    var noLatency = false

    @Flag(help: "Skip killing, recovering and reopening.")
    var noRecovery = false

    @Flag(help: "Overwrite the devdax device that is given as path.")
    var overwrite = false

    @Flag(
        help: ArgumentHelp(
            "All engines, workloads and checks within three minutes, building included.",
            discussion: "Stands for \(Quick.options); what is given besides wins."))
    var quick = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        var notes: [String] = []
        let plan = try makePlan(&notes)
        notes.forEach(OutputOptions.say)
        let clock = CheapClock.shared
        if plan.forcedPmem { setenv("PMEM_IS_PMEM_FORCE", "1", 1) }
        let environment = RunEnvironment(path: plan.path, pmemForced: plan.forcedPmem)
        let probe = try MediumProbe(path: plan.path, plan: plan)
        let repetitions = try KVRunner(plan: plan, say: OutputOptions.say).run()
        var report = KVReport(
            command: Array(CommandLine.arguments.dropFirst()),
            date: ISO8601DateFormatter().string(from: Date()), environment: environment,
            clock: clock, plan: plan, floor: probe,
            engines: KVReport.summaries(plan, repetitions),
            results: KVReport.results(plan, repetitions), notes: notes)
        report.notes += KVTable.remarks(report)
        try output.publish(report, table: KVTable.render(report))
        let wrong = report.engines.contains { $0.mismatches > 0 || $0.failure != nil }
        if wrong { throw ExitCode(1) }
    }

    private func makePlan(_ notes: inout [String]) throws -> KVPlan {
        guard let keySizes = SizeDistribution(keySize), let values = SizeDistribution(valueSize)
        else { throw ValidationError("sizes are N or MIN-MAX") }
        let count = keys ?? (quick ? Quick.keys : 1_000_000)
        try checkNumbers(keys: count)
        let place = try Place.choose(path, &notes)
        guard overwrite || !KVRunner.isDevice(place.path) else {
            throw ValidationError("\(place.path): give --overwrite, all its bytes are lost")
        }
        let chosenEngines = try Selection.engines(
            engines, durability: durability, index: index,
            onDevice: KVRunner.isDevice(place.path), &notes)
        return KVPlan(
            path: place.path, engines: chosenEngines, workloads: try Selection.workloads(workloads),
            keys: count, keySize: keySizes, valueSize: values, threads: threads,
            operations: operations ?? (quick ? min(count, Quick.operations) : count),
            duration: duration, warmup: warmup ?? (quick ? 0 : 0.2),
            timeLimit: timeLimit ?? (quick ? Quick.timeLimit : 30),
            repetitions: repetitions, budget: budget ?? (quick ? Quick.budget : 0),
            seed: seed,
            recordsLatency: !noLatency,
            store: StoreOptions(io: io, segmentBytes: segmentSize),
            checksRecovery: !noRecovery, forcedPmem: place.forcesPmem)
    }

    private func checkNumbers(keys: Int) throws {
        try Selection.check(keys, in: 1...1 << 31 - 1, "--keys")
        try Selection.check(threads, in: 1...64, "--threads")
        try Selection.check(operations ?? 1, in: 1...1 << 40, "--operations")
        try Selection.check(repetitions, in: 1...10_000, "--repetitions")
        try Selection.check(segmentSize ?? 1, in: 1...1 << 40, "--segment-size")
        let times = [
            "--duration": duration, "--warmup": warmup ?? 0, "--time-limit": timeLimit ?? 0,
            "--budget": budget ?? 0,
        ]
        for (option, seconds) in times { try Selection.check(seconds, in: 0...1e6, option) }
    }
}

/// What `--quick` stands for: nothing is left out or unchecked, there is only less of it. A build
/// from a clean clone takes most of three minutes on a busy machine; this is for what they leave.
private enum Quick {
    static let keys = 30_000
    static let operations = 15_000
    static let timeLimit = 0.05
    static let budget = 30.0

    static let options =
        "--keys \(keys) --operations \(operations) --time-limit \(timeLimit) --warmup 0 "
        + "--budget \(Int(budget))"
}

/// Where the run's files go, and whether libpmem must be told to treat that place as persistent.
struct Place {
    var path: String
    var forcesPmem: Bool

    static func choose(_ given: String?, _ notes: inout [String]) throws -> Place {
        let path = given ?? "/dev/shm"
        let facts = PlaceFacts.inspect(path: path)
        guard facts.isDirectory || facts.kind == .devdax else {
            throw ValidationError("\(path): neither a directory nor a devdax device")
        }
        let isTmpfs = facts.fileSystem == "tmpfs"
        if isTmpfs {
            notes.append(
                "note: \(path) is a tmpfs: DRAM, nothing outlives the loss of power. "
                    + "PMEM_IS_PMEM_FORCE=1 gives the flush-and-fence path of persistent memory; "
                    + "fsync costs the peers nothing here.")
        }
        return Place(path: path, forcesPmem: isTmpfs || LibpmemFacts.current().isForced)
    }
}
