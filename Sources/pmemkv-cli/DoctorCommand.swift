// `pmemkv doctor PATH`: what a place is for a store and what to do about it. The library does the
// examining; this file prints.

import ArgumentParser
import PmemKV
import PmemKVText

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Tell what a place is for a store and how to make it a better one.",
        discussion: """
            PATH is a file, a directory, a mount point, or a device such as /dev/dax0.0 or \
            /dev/pmem0; it need not exist. Nothing is changed. Run as root to learn physical \
            addresses, which decide about 2 MiB mappings.

            Exit status: 0 when nothing is wrong, 1 when a store here is refused or would lose \
            data, 66 when nothing is at the path and nothing can be made there.
            """)

    @Argument(help: "The place to examine.", completion: .file())
    var path: PoolPath

    @Option(
        help: .init(
            "How a store there would be reached: read(2) and write(2) with 'syscalls'.",
            valueName: "auto|mapped|syscalls"))
    var io: IOPath = .automatic

    @Flag(help: "Print one JSON object (\"schema\": 1).")
    var json = false

    func run() throws {
        let report = PmemStore.examine(path, io: io)
        try ByteOutput().printLine(json ? Self.json(report) : Self.text(report))
        let isNowhere = report.kind == "missing" && report.findings("file-system").isEmpty
        if isNowhere { throw ExitCode(66) }
        if report.severity == .problem { throw ExitCode(1) }
    }
}

extension Doctor {
    /// The report for people: a line for each finding, reasons and commands below it.
    static func text(_ report: PlaceReport) -> String {
        var lines: [String] = []
        for finding in report.findings {
            let severity = finding.severity.rawValue
            let mark = severity + String(repeating: " ", count: max(1, 9 - severity.count))
            let subject = finding.subject.map { " (\($0))" } ?? ""
            lines.append("\(mark)\(finding.id)\(subject): \(finding.what)")
            lines.append("         why: \(finding.why)")
            // A remedy may be a command of several lines.
            for (number, line) in (finding.remedy ?? "").split(separator: "\n").enumerated() {
                lines.append((number == 0 ? "         do:  " : "              ") + line)
            }
        }
        let counts = [PlaceReport.Severity.problem, .warning, .note].map { severity in
            let count = report.findings.count { $0.severity == severity }
            return count.counted(severity.rawValue)
        }
        lines.append("\(report.path): " + counts.joined(separator: ", "))
        return lines.map(EscapedText.printable).joined(separator: "\n")
    }

    /// The report for programs, with members in a fixed order.
    static func json(_ report: PlaceReport) -> String {
        let findings = report.findings.map { finding -> JSON in
            .object([
                ("id", .text(finding.id)),
                ("subject", finding.subject.map(JSON.text) ?? .null),
                ("severity", .text(finding.severity.rawValue)),
                ("what", .text(finding.what)),
                ("why", .text(finding.why)),
                ("remedy", finding.remedy.map(JSON.text) ?? .null),
                (
                    "values",
                    .object(
                        finding.values.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
                ),
            ])
        }
        return JSON.object([
            ("schema", 1), ("path", .text(report.path)), ("kind", .text(report.kind)),
            ("severity", .text(report.severity.rawValue)), ("findings", .list(findings)),
        ]).description
    }

    private static func json(_ value: PlaceReport.Value) -> JSON {
        switch value {
        case .text(let text): .text(text)
        case .number(let number): .integer(number)
        case .flag(let flag): .flag(flag)
        case .list(let items): .list(items.map(JSON.text))
        case .unknown: .null
        }
    }
}
