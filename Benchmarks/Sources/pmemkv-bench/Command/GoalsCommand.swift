import ArgumentParser
import Foundation

struct GoalsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "goals",
        abstract: "Measures the store against its goals, floors and peers beside it.",
        discussion: """
            Each row is a ratio to a floor or a peer that runs in turns with the store, or an \
            absolute number where there is none. With 2 million keys it takes about ten minutes.
            Rows: \(GoalRow.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "Directory of the medium. Default: /dev/shm, not durable.")
    var path: String?

    @Option(help: "Directory on a disk, for the rows that wait for one.")
    var disk = "/var/tmp"

    @Option(help: "Keys; some rows scale it. Default: 2000000.")
    var keys: Int?

    @Option(help: "Comma-separated rows; 'all'.")
    var rows = "all"

    @Option(help: "Seed of every random stream.")
    var seed: UInt64 = 20_190_501

    @Flag(help: "All rows in about a minute: 100000 keys, fewer rounds. Shows that all works.")
    var quick = false

    @Flag(help: "End with 1 when a goal is missed.")
    var check = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        var notes: [String] = []
        let started = Date()
        let plan = try makePlan(&notes)
        notes.forEach(OutputOptions.say)
        let environment = RunEnvironment(path: plan.path, pmemForced: plan.forcedPmem)
        var lines: [GoalReport.Line] = []
        for scenario in GoalScenario.allCases
        where scenario.rows.contains(where: plan.rows.contains) {
            OutputOptions.say("\(scenario.rawValue) ...")
            lines += Self.measure(scenario, plan, &notes)
        }
        let order = GoalRow.allCases
        lines.sort { order.firstIndex(of: $0.goal.row)! < order.firstIndex(of: $1.goal.row)! }
        let report = GoalReport(
            command: Array(CommandLine.arguments.dropFirst()),
            date: ISO8601DateFormatter().string(from: started), environment: environment,
            clock: .shared, plan: plan, lines: lines, seconds: Date().timeIntervalSince(started),
            notes: notes)
        try output.publish(report, table: report.render())
        if check, !report.missed.isEmpty { throw ExitCode(1) }
    }

    /// In a process of its own: what one scenario leaves in memory meets no other, and only some
    /// of them take a file for persistent memory.
    private static func measure(
        _ scenario: GoalScenario, _ plan: GoalPlan, _ notes: inout [String]
    ) -> [GoalReport.Line] {
        let forced = "PMEM_IS_PMEM_FORCE"
        if plan.forcedPmem && !scenario.isOnDisk {
            setenv(forced, "1", 1)
        } else {
            unsetenv(forced)
        }
        let found: [GoalMeasurement]
        do {
            found = try ChildProcess.run(
                "run-one-scenario", GoalTask(scenario: scenario, plan: plan, clock: .shared),
                named: scenario.rawValue, [GoalMeasurement].self)
        } catch {
            notes.append("\(scenario.rawValue): \(error)")
            OutputOptions.say("  \(scenario.rawValue): \(error)")
            found = scenario.rows.filter(plan.rows.contains).map {
                GoalMeasurement(row: $0, remark: "\(error)")
            }
        }
        return found.map(GoalReport.Line.init)
    }

    private func makePlan(_ notes: inout [String]) throws -> GoalPlan {
        let place = try Place.choose(path, &notes)
        guard !KVRunner.isDevice(place.path) else {
            throw ValidationError("\(place.path) is a device; goals needs a directory")
        }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: disk, isDirectory: &isDirectory),
            isDirectory.boolValue
        else { throw ValidationError("--disk \(disk): there is no such directory") }
        let keys = keys ?? (quick ? 100_000 : 2_000_000)
        try Selection.check(keys, in: 10_000...1 << 28, "--keys")
        return GoalPlan(
            path: place.path, forcedPmem: place.forcesPmem, disk: disk, keys: keys,
            isQuick: quick,
            rows: rows == "all"
                ? GoalRow.allCases
                : try Selection.listed(rows, "row", GoalRow.allCases.map(\.rawValue), ["all"]),
            seed: seed)
    }
}

/// What a child process runs; not for people.
struct RunOneScenarioCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run-one-scenario", abstract: "One scenario of goals.", shouldDisplay: false)

    @Argument var task: String
    @Argument var result: String

    func run() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: task))
        let task = try JSONDecoder().decode(GoalTask.self, from: data)
        CheapClock.inherit(task.clock)
        try JSONEncoder().encode(task.scenario.measure(task.plan))
            .write(to: URL(fileURLWithPath: result))
    }
}
