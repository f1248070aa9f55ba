/// The sections of a `kv` result.
enum KVPage {
    static func sections(_ report: KVReport) -> [String] {
        [
            Page.section("Key-value workloads: throughput", Page.legend + throughput(report)),
            Page.section(
                "Latency",
                Page.paragraph("Per operation; dots from large to small: p50, p90, p99, p99.9.")
                    + latency(report)),
            Page.section(
                "Part of the physical floor",
                Page.paragraph(
                    "Operations per second divided by those of the workload's floor; 1.00 is what "
                        + "the medium allows.") + floors(report)),
            Page.section("Memory, space and recovery", costs(report)),
            Page.section("Set-up and environment", environment(report)),
        ]
    }

    private static func style(_ result: KVResult) -> String {
        if result.isFloor { return "floor" }
        if !result.isDurable { return "relaxed" }
        return result.engine.isOurs ? "ours" : "peer"
    }

    private static func measured(_ report: KVReport, _ workload: Workload) -> [KVResult] {
        report.results.filter { $0.workload == workload && $0.skipped == nil }
    }

    private static func throughput(_ report: KVReport) -> String {
        Page.grid(
            report.plan.workloads.compactMap { workload in
                let results = measured(report, workload)
                guard !results.isEmpty else { return nil }
                let bars = results.map { result in
                    let rate = result.operationsPerSecond
                    let part = result.ratioToFloor.map { ", \(Format.fixed($0, 2)) of floor" } ?? ""
                    return Chart.Bar(
                        label: result.engine.rawValue, value: rate.median, low: rate.min,
                        high: rate.max, style: style(result),
                        note: Format.rate(rate.median) + part,
                        tip: "\(Format.rate(rate.min)) to \(Format.rate(rate.max)) operations/s")
                }
                return Page.figure(
                    workload.rawValue, workload.summary + ", operations/s",
                    Chart.bars(bars, title: workload.rawValue))
            })
    }

    private static func latency(_ report: KVReport) -> String {
        Page.grid(
            report.plan.workloads.compactMap { workload in
                let spans = measured(report, workload).compactMap { result in
                    result.latency.map {
                        Chart.Span(
                            label: result.engine.rawValue,
                            points: [$0.p50, $0.p90, $0.p99, $0.p999],
                            style: style(result))
                    }
                }
                guard !spans.isEmpty else { return nil }
                return Page.figure(
                    workload.rawValue, workload.summary,
                    Chart.latencies(spans, title: workload.rawValue))
            })
    }

    private static func floors(_ report: KVReport) -> String {
        let workloads = report.plan.workloads
        let rows = report.plan.engines.map { engine in
            [engine.rawValue]
                + workloads.map { workload in
                    measured(report, workload).first { $0.engine == engine }?.ratioToFloor
                        .map { Format.fixed($0, 2) } ?? "-"
                }
        }
        return Markup.table(["engine"] + workloads.map(\.rawValue), rows)
    }

    private static func costs(_ report: KVReport) -> String {
        let rows = report.engines.map { engine in
            [
                engine.engine.rawValue,
                engine.dramBytesPerKey.map { Format.fixed($0, 1) } ?? "-",
                engine.mediumBytesPerUserByte.map { Format.fixed($0, 2) } ?? "-",
                engine.writeAmplification.map { Format.fixed($0, 2) } ?? "-",
                engine.openingAfterKill, engine.openingAfterClose,
                "\(engine.verifiedGets)", "\(engine.verifiedEntries ?? 0)", "\(engine.mismatches)",
            ]
        }
        return Markup.table(
            [
                "engine", "DRAM bytes/key", "medium bytes/user byte", "write amplification",
                "open after kill", "open after close", "gets verified",
                "entries verified", "wrong",
            ], rows)
    }

    private static func environment(_ report: KVReport) -> String {
        let plan = report.plan
        let environment = report.environment
        var lines = [
            "command: pmemkv-bench " + report.command.joined(separator: " "),
            "date: \(report.date)",
            "\(plan.keys) keys of \(plan.keySize.description) + \(plan.valueSize.description) "
                + "bytes, \(plan.threads) thread(s), \(plan.repetitions) repetition(s), "
                + "seed \(plan.seed)",
        ]
        lines += EnvironmentLines.of(environment, report.clock)
        if let floor = report.floor {
            lines.append(
                "medium alone: dependent random read "
                    + "\(Format.nanoseconds(floor.dependentReadNanoseconds)), append of a record "
                    + "\(Format.nanoseconds(floor.appendPackedNanoseconds)) packed and "
                    + "\(Format.nanoseconds(floor.appendAlignedNanoseconds)) aligned")
        }
        let setups = report.engines.map { engine in
            "\(engine.engine.rawValue): \(engine.failure ?? engine.setup)"
        }
        return Page.list(lines + report.notes) + Page.paragraph("How the engines were set up:")
            + Page.list(setups)
    }
}

/// What is the same for every report.
enum EnvironmentLines {
    static func of(_ environment: RunEnvironment, _ clock: CheapClock) -> [String] {
        [
            "\(environment.cpu), \(environment.processors) processors, "
                + "\(Format.bytes(environment.memoryBytes)) of memory",
            "kernel \(environment.kernel), hardened_usercopy "
                + "\(environment.hardenedUsercopy), usercopy bypass for DAX "
                + environment.hasUsercopyBypass,
            "\(environment.path): \(environment.fileSystem), "
                + (environment.isDAX == true ? "DAX" : "not DAX")
                + (environment.pmemForced ? ", PMEM_IS_PMEM_FORCE=1" : ""),
            "clock: \(clock.source), \(Format.fixed(clock.readCost, 1)) ns a reading, "
                + "\(Format.fixed(clock.recordCost, 1)) ns with recording, part of every figure",
        ]
    }
}
