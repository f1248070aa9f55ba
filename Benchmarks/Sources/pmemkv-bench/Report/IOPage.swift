import Foundation

/// The sections of an `io` result.
enum IOPage {
    static func sections(_ report: IOReport) -> [String] {
        var sections: [String] = []
        if !report.results.isEmpty {
            sections.append(Page.section("Access paths: throughput", throughput(report)))
        }
        if !report.comparisons.isEmpty {
            sections.append(
                Page.section(
                    "\(report.plan.compare[0]) against \(report.plan.compare[1])",
                    Page.paragraph(
                        "Ratio of operations per second with 95 % intervals over repetitions that "
                            + "took turns; n.s.: within noise.") + comparisons(report)))
        }
        if let model = report.model {
            sections.append(Page.section("The usercopy model", modelSection(model)))
        }
        sections.append(Page.section("Targets and environment", targets(report)))
        return sections
    }

    private static func throughput(_ report: IOReport) -> String {
        Page.grid(
            report.plan.operations.compactMap { operation in
                let results = report.results.filter {
                    $0.configuration.operation == operation && $0.operationsPerSecond != nil
                }
                guard !results.isEmpty else { return nil }
                let bars = results.compactMap { result -> Chart.Bar? in
                    guard let rate = result.operationsPerSecond, let latency = result.latency else {
                        return nil
                    }
                    let isSecond = report.plan.compare.last == result.target
                    return Chart.Bar(
                        label: label(result, report), value: rate.median, low: rate.min,
                        high: rate.max, style: isSecond ? "peer" : "ours",
                        note: Format.rate(rate.median) + ", p50 " + Format.nanoseconds(latency.p50),
                        tip: "p99 \(Format.nanoseconds(latency.p99)), "
                            + "p99.9 \(Format.nanoseconds(latency.p999))")
                }
                return Page.figure(
                    operation.rawValue, operation.summary + ", operations/s",
                    Chart.bars(bars, title: operation.rawValue))
            })
    }

    private static func label(_ result: IOResult, _ report: IOReport) -> String {
        let configuration = result.configuration
        var words: [String] = []
        if configuration.operation.usesBlocks {
            words = [Format.bytes(configuration.blockSize), configuration.pattern.rawValue]
        }
        if configuration.threads > 1 { words.append("\(configuration.threads)T") }
        if report.targets.count > 1 || words.isEmpty { words.append(result.target) }
        return words.joined(separator: " ")
    }

    private static func comparisons(_ report: IOReport) -> String {
        let intervals = report.comparisons.map {
            Chart.Interval(label: $0.configuration.label, ratio: $0.ratio)
        }
        return Page.grid([
            Page.figure(
                "\(report.plan.compare[0]) / \(report.plan.compare[1])",
                "above 1: the first is faster",
                Chart.intervals(intervals, title: "ratios"))
        ])
    }

    private static func modelSection(_ model: UsercopyModelReport) -> String {
        let bars = model.rows.map { row in
            Chart.Bar(
                label: row.placement.replacingOccurrences(of: "struct page", with: "page"),
                value: row.writesPerSecond.median, low: row.writesPerSecond.min,
                high: row.writesPerSecond.max, style: "peer",
                note: Format.rate(row.writesPerSecond.median) + ", "
                    + Format.fixed(row.extraNanoseconds, 0) + " ns more",
                tip: "\(Format.fixed(row.againstNone.ratio, 3)) of the writes without a read")
        }
        return Page.paragraph(
            "\(model.label). A cold 64-byte entry of a table of "
                + "\(Format.bytes(model.tableBytes)) is read before each 4 KiB write to "
                + "\(model.target).")
            + Page.grid([
                Page.figure("model", "4 KiB writes/s", Chart.bars(bars, title: "usercopy model"))
            ])
    }

    private static func targets(_ report: IOReport) -> String {
        let lines =
            report.targets.flatMap(\.lines)
            + [
                "command: pmemkv-bench " + report.command.joined(separator: " "),
                "date: \(report.date)",
            ]
            + EnvironmentLines.of(report.environment, report.clock)
        return Page.list(lines + report.notes)
    }
}
