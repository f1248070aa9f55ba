import ArgumentParser
import Foundation

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Draws result files as one HTML page that needs no network.")

    @Argument(help: "JSON files of kv and io runs, in the order they shall appear.")
    var results: [String]

    @Option(name: .shortAndLong, help: "The file to write.")
    var output = "report.html"

    @Option(help: "The page's title.")
    var title = "pmemkv benchmarks"

    func run() throws {
        let sections = try results.flatMap { try AnyReport(path: $0).sections }
        let page = Page.html(title: title, sections: sections)
        try JSONFile.save(Data(page.utf8), to: output)
    }
}

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compares two result files; exits with 1 when something became worse.",
        discussion: """
            A line is worse when its median fell by more than the threshold and lies outside the \
            range of the old run's repetitions.

            For kv results it also says for every workload whether the engines rank as before, and \
            names the pairs that changed places. Engines whose repetitions (least to greatest) \
            overlap count as tied. A change of places alone does not change the exit code.
            """)

    @Argument(help: "The older result file.")
    var old: String

    @Argument(help: "The newer result file.")
    var new: String

    @Option(help: "Change that counts, in percent.")
    var threshold = 10.0

    @Flag(help: "Show all lines, not only those that changed.")
    var all = false

    func run() throws {
        let regression: Regression
        var rankings: [Ranking] = []
        switch (try AnyReport(path: old), try AnyReport(path: new)) {
        case (.kv(let before), .kv(let after)):
            regression = .kv(before, after)
            rankings = Ranking.all(before, after)
        case (.io(let before), .io(let after)): regression = .io(before, after)
        default: throw ValidationError("one file is a kv result, the other an io result")
        }
        guard !regression.lines.isEmpty else {
            throw ValidationError("the two files have no figure in common")
        }
        let limit = threshold / 100
        let worse = regression.worse(threshold: limit)
        let better = regression.better(threshold: limit)
        var table = TextTable(header: ["figure", "old", "new", "change"])
        for line in all ? regression.lines : worse + better {
            table.rows.append([
                line.name, Self.figure(line.old, line), Self.figure(line.new, line),
                Format.fixed((line.change - 1) * 100, 1) + " %",
            ])
        }
        if !table.rows.isEmpty { print(table.render()) }
        if !rankings.isEmpty { print(Ranking.render(rankings)) }
        for remark in regression.remarks { print("note: \(remark)") }
        print(
            "\(regression.lines.count) figures: \(worse.count) worse, \(better.count) better "
                + "by more than \(Format.fixed(threshold, 1)) %")
        if !worse.isEmpty { throw ExitCode(1) }
    }

    private static func figure(_ value: Double, _ line: Regression.Line) -> String {
        if line.greaterIsBetter { return Format.rate(value) }
        return line.name.hasSuffix("recovery") ? Format.seconds(value) : Format.fixed(value, 1)
    }
}
