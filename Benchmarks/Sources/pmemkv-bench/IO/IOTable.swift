/// An `io` report on the terminal.
enum IOTable {
    static func render(_ report: IOReport) -> String {
        var parts = [heading(report)]
        if !report.results.isEmpty { parts.append(results(report)) }
        let skipped = report.results.filter { $0.skipped != nil }
        if !skipped.isEmpty { parts.append(reasons(skipped)) }
        if !report.comparisons.isEmpty { parts.append(comparisons(report)) }
        if let model = report.model { parts.append(UsercopyModelTable.render(model)) }
        if !report.notes.isEmpty { parts.append(report.notes.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private static func heading(_ report: IOReport) -> String {
        let environment = report.environment
        let clock = report.clock
        var lines = [
            "\(environment.cpu), \(environment.processors) processors, "
                + "kernel \(environment.kernel), hardened_usercopy "
                + "\(environment.hardenedUsercopy), bypass for DAX "
                + "\(environment.hasUsercopyBypass)",
            "clock: \(clock.source), \(Format.fixed(clock.recordCost, 1)) ns in every latency",
        ]
        for target in report.targets { lines += target.lines }
        return lines.joined(separator: "\n")
    }

    private static func results(_ report: IOReport) -> String {
        var table = TextTable(header: [
            "operation", "target", "ops/s", "min", "max", "MB/s", "p50", "p90", "p99", "p99.9",
            "max",
        ])
        for result in report.results {
            guard let rate = result.operationsPerSecond, let latency = result.latency else {
                continue
            }
            let hasBytes = result.configuration.operation.usesBlocks
            table.rows.append([
                result.configuration.label + (result.isNoisy ? " ~" : ""), result.target,
                Format.rate(rate.median), Format.rate(rate.min), Format.rate(rate.max),
                hasBytes ? Format.fixed(result.megabytesPerSecond ?? 0, 0) : "-",
                Format.nanoseconds(latency.p50), Format.nanoseconds(latency.p90),
                Format.nanoseconds(latency.p99), Format.nanoseconds(latency.p999),
                Format.nanoseconds(latency.max),
            ])
        }
        return table.render()
    }

    private static func reasons(_ skipped: [IOResult]) -> String {
        let grouped = Dictionary(grouping: skipped) { "\($0.target): \($0.skipped ?? "")" }
        return grouped.sorted { $0.key < $1.key }.map { reason, results in
            let names = Set(results.map(\.configuration.operation.rawValue)).sorted()
            return "not run on \(reason): \(names.joined(separator: ", "))"
        }.joined(separator: "\n")
    }

    private static func comparisons(_ report: IOReport) -> String {
        let first = report.plan.compare[0]
        let second = report.plan.compare[1]
        var table = TextTable(header: [
            "\(first) / \(second)", "ratio", "95 % interval", "pairs", "",
        ])
        for comparison in report.comparisons {
            let ratio = comparison.ratio
            table.rows.append([
                comparison.configuration.label, Format.fixed(ratio.ratio, 3),
                "\(Format.fixed(ratio.low, 3)) to \(Format.fixed(ratio.high, 3))",
                "\(ratio.pairs)", ratio.isBeyondNoise ? "beyond noise" : "within noise",
            ])
        }
        return table.render()
    }
}
