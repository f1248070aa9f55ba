import ArgumentParser

/// `pmemkv-bench`: parses, calls, prints. What is measured and how stands in docs/performance.md.
@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pmemkv-bench",
        abstract: "Measures the store against its peers, and DAX access paths against each other.",
        subcommands: [
            KVCommand.self, IOCommand.self, ReportCommand.self, CompareCommand.self,
            GoalsCommand.self, RunOnePhaseCommand.self, RunOneScenarioCommand.self,
        ])
}
