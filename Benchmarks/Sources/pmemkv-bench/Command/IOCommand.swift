import ArgumentParser
import Foundation
import PmemPlaces

struct IOCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "io",
        abstract: "Times read(2)/write(2), the mapping, pinning and page faults on DAX targets.",
        discussion: """
            Operations: \(IOOperation.allCases.map(\.rawValue).joined(separator: ", ")).
            A target is NAME=PATH: a directory (a file is made there and removed), a new file, or, \
            with --overwrite, an existing file or devdax device whose bytes are lost.
            """)

    @Argument(help: "Targets as NAME=PATH. Default: shm=/dev/shm.")
    var targets: [String] = []

    @Option(help: "Comma-separated operations; 'all', 'syscalls', 'mapped', 'pinning', 'faults'.")
    var operations = "all"

    @Option(help: "Comma-separated block sizes in bytes, e.g. 64,4096,1048576.")
    var blocks: String?

    @Option(help: "Comma-separated numbers of threads.")
    var threads = "1"

    @Option(help: "rand, seq or both.")
    var pattern = "rand"

    @Option(help: "Seconds of each slice: one target, one configuration, one repetition.")
    var seconds: Double?

    @Option(help: "Repetitions; targets alternate within them.")
    var repetitions: Int?

    @Option(help: "Size of a target file in MiB.")
    var size: Int?

    @Option(help: "Directory on another medium for the file that is read into the mapping.")
    var source = "/var/tmp"

    @Option(
        parsing: .upToNextOption,
        help: .init(
            "Two names of targets, as in a=/mnt/pmem0 b=/mnt/pmem1 --compare a b: ratios with "
                + "confidence intervals, and the null control.", valueName: "name name"))
    var compare: [String] = []

    @Flag(help: "The usercopy MODEL: a cold struct-page stand-in read before each 4 KiB write.")
    var modelUsercopy = false

    @Option(help: "With the model: extra delays of a slower medium, in ns, comma-separated.")
    var mediaLatency = "0"

    @Flag(help: "Mark phases for the counting machine (Tests/dax-vm) instead of timing.")
    var countOperations = false

    @Option(help: "Operations in each counted phase.")
    var countedOperations = 200

    @Option(help: "NAME=ADDRESS: where the emulator keeps a target's device (hexadecimal).")
    var emulatorAddress: [String] = []

    @Flag(help: "Overwrite existing files and devices given as targets.")
    var overwrite = false

    @Flag(help: "A small run that ends within three minutes.")
    var quick = false

    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        var notes: [String] = []
        // `--compare A B A=PATH B=PATH` takes the targets as well.
        let given = targets + compare.filter { $0.contains("=") }
        compare.removeAll { $0.contains("=") }
        let paths = given.isEmpty ? ["shm=/dev/shm"] : given
        let force = paths.contains {
            let path = $0.split(separator: "=").last.map(String.init) ?? $0
            return PlaceFacts.inspect(path: path).fileSystem == "tmpfs"
        }
        if force {
            setenv("PMEM_IS_PMEM_FORCE", "1", 1)
            notes.append(
                "note: a target is on a tmpfs: DRAM, not durable, no DAX; "
                    + "PMEM_IS_PMEM_FORCE=1 is set for libpmem.")
        }
        let plan = try makePlan(paths, forced: force)
        let opened = try paths.map {
            try IOTarget($0, size: plan.targetBytes, overwrite: overwrite)
        }
        defer { for target in opened { target.close() } }
        for name in plan.compare where !opened.contains(where: { $0.name == name }) {
            let names = opened.map(\.name).joined(separator: ", ")
            throw Self.comparison("no target is called '\(name)', only \(names)")
        }
        let file =
            plan.operations.contains(where: \.readsSource)
            ? try? SourceFile(directory: source) : nil
        defer { file?.remove() }
        if countOperations {
            try CountingRun(
                plan: plan, targets: opened, source: file, count: countedOperations,
                emulatorAddresses: try Self.addresses(emulatorAddress)
            ).run()
            return
        }
        var report = try measure(plan, opened, file, notes)
        if let control = NullControl.statement(report) { report.notes.append(control) }
        try output.publish(report, table: IOTable.render(report))
    }

    private func measure(
        _ plan: IOPlan, _ targets: [IOTarget], _ source: SourceFile?, _ notes: [String]
    ) throws -> IOReport {
        let runner = IORunner(
            plan: plan, targets: targets, source: source, say: OutputOptions.say)
        var model: UsercopyModelReport?
        if modelUsercopy {
            OutputOptions.say("usercopy model")
            model = try UsercopyModel(
                target: targets[0], latencies: try Self.numbers(mediaLatency),
                seconds: plan.seconds, repetitions: max(3, plan.repetitions)
            ).run()
        }
        let results = modelUsercopy && operations == "all" ? [] : runner.run()
        return IOReport(
            command: Array(CommandLine.arguments.dropFirst()),
            date: ISO8601DateFormatter().string(from: Date()),
            environment: RunEnvironment(path: targets[0].path, pmemForced: plan.forcedPmem),
            clock: .shared, plan: plan, targets: try targets.map { try TargetFacts($0) },
            results: results, comparisons: runner.comparisons(results), model: model, notes: notes)
    }

    private func makePlan(_ paths: [String], forced: Bool) throws -> IOPlan {
        guard compare.isEmpty || compare.count == 2 else {
            throw Self.comparison("\(compare.count) names are given")
        }
        try Selection.check(repetitions ?? 1, in: 1...10_000, "--repetitions")
        try Selection.check(seconds ?? 1, in: 0.001...86_400, "--seconds")
        try Selection.check(size ?? 1, in: 1...1 << 30, "--size")
        try Selection.check(countedOperations, in: 1...1 << 30, "--counted-operations")
        let patterns: [AccessPattern] =
            switch pattern {
            case "rand": [.random]
            case "seq": [.sequential]
            case "both": [.random, .sequential]
            default: throw ValidationError("pattern: rand, seq or both")
            }
        let sizes = try Self.numbers(blocks ?? (quick ? "64,4096" : "64,256,4096,65536,1048576"))
        guard sizes.allSatisfy({ $0 >= 8 && $0 <= 1_048_576 }) else {
            throw ValidationError("blocks: 8 bytes to 1 MiB")
        }
        _ = try Self.numbers(mediaLatency)
        let counts = try Self.numbers(threads)
        guard counts.allSatisfy({ 1...64 ~= $0 }) else {
            throw ValidationError("threads: 1 to 64")
        }
        // A comparison wants many short pairs: their intervals narrow with the number of pairs.
        let slice: (seconds: Double, repetitions: Int) =
            switch (compare.isEmpty, quick) {
            case (true, false): (0.5, 5)
            case (true, true): (0.1, 3)
            case (false, false): (0.1, 20)
            case (false, true): (0.04, 8)
            }
        return IOPlan(
            targets: paths, operations: try Self.operations(operations),
            blockSizes: sizes.map { Int($0) }, threads: counts.map { Int($0) },
            patterns: patterns, seconds: seconds ?? slice.seconds,
            repetitions: repetitions ?? slice.repetitions,
            targetBytes: (size ?? (quick ? 256 : 1024)) << 20, compare: compare,
            seed: 20_190_501, forcedPmem: forced)
    }

    /// Shows how two targets are compared.
    private static func comparison(_ problem: String) -> ValidationError {
        ValidationError(
            "--compare takes the names of two targets: \(problem); for example "
                + "`a=/mnt/pmem0 b=/mnt/pmem1 --compare a b`")
    }

    private static func addresses(_ words: [String]) throws -> [String: UInt64] {
        var result: [String: UInt64] = [:]
        for word in words {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let address = UInt64(parts[1], radix: 16) else {
                throw ValidationError("--emulator-address takes NAME=HEXADECIMAL")
            }
            result[String(parts[0])] = address
        }
        return result
    }

    private static func numbers(_ text: String) throws -> [Double] {
        let words = text.split(separator: ",")
        guard !words.isEmpty else { throw ValidationError("'\(text)' has no number") }
        return try words.map { word in
            guard let number = Double(word), 0...1e9 ~= number else {
                throw ValidationError("'\(word)' is no number from 0 to 1e9")
            }
            return number
        }
    }

    private static func operations(_ text: String) throws -> [IOOperation] {
        switch text {
        case "all": return IOOperation.allCases
        case "syscalls": return [.pread, .pwrite, .pwriteDsync, .pwriteFdatasync]
        case "mapped": return [.load, .storeFlush, .ntStore, .msync]
        case "pinning": return [.directRead, .uringRegister, .uringRead, .processRead]
        case "faults":
            return [.faultFirst4K, .faultRead4K, .faultWrite4K, .faultWrite2M, .openPrefault]
        default:
            return try Selection.listed(
                text, "operation", IOOperation.allCases.map(\.rawValue),
                ["all", "syscalls", "mapped", "pinning", "faults"])
        }
    }
}
