/// A `kv` report on the terminal.
enum KVTable {
    static func render(_ report: KVReport) -> String {
        var parts = [heading(report)]
        for workload in report.plan.workloads {
            let results = report.results.filter { $0.workload == workload }
            if !results.isEmpty { parts.append(table(workload, results)) }
        }
        parts.append(costs(report))
        if !report.notes.isEmpty { parts.append(report.notes.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private static func heading(_ report: KVReport) -> String {
        let plan = report.plan
        let clock = report.clock
        let environment = report.environment
        var lines = [
            "\(plan.keys) keys of \(plan.keySize.description) + \(plan.valueSize.description) "
                + "bytes, \(plan.threads) thread(s), \(plan.repetitions) repetition(s), "
                + "on \(plan.path) (\(environment.fileSystem))",
            "\(environment.cpu), \(environment.processors) processors, "
                + "kernel \(environment.kernel)",
            "clock: \(clock.source), \(Format.fixed(clock.readCost, 1)) ns a reading, "
                + "\(Format.fixed(clock.recordCost, 1)) ns with the record of a latency; "
                + "every figure contains it once per operation",
        ]
        if let floor = report.floor {
            let medium = floor.isPmem ? "flush and fence" : "msync"
            lines.append(
                "medium (\(medium)): dependent random read "
                    + "\(Format.nanoseconds(floor.dependentReadNanoseconds)) over "
                    + "\(Format.bytes(floor.probedBytes)); append of one record "
                    + "\(Format.nanoseconds(floor.appendPackedNanoseconds)) packed, "
                    + "\(Format.nanoseconds(floor.appendAlignedNanoseconds)) aligned to 64 bytes; "
                    + "one line \(Format.nanoseconds(floor.persistLineNanoseconds))")
        }
        return lines.joined(separator: "\n")
    }

    private static func table(_ workload: Workload, _ results: [KVResult]) -> String {
        // The store with its default index where that runs, so that two of its set-ups compare.
        let stores: [EngineKind] = [.pmemkv, .pmemkvOrdered]
        let store = stores.lazy.compactMap { kind in
            results.first { $0.engine == kind && $0.skipped == nil }
        }.first
        var table = TextTable(header: [
            workload.rawValue, "ops/s", "min", "max", "MB/s", "p50", "p90", "p99", "p99.9", "max",
            "CPU/op", "of floor", (store?.engine ?? .pmemkv).rawValue + " is",
        ])
        for result in results where result.skipped == nil {
            let latency = result.latency
            func percentile(_ part: KeyPath<Percentiles, Double>) -> String {
                latency.map { Format.nanoseconds($0[keyPath: part]) } ?? "-"
            }
            let ratio = store.flatMap { $0.ratioTo[result.engine.rawValue] }
            let rate = result.operationsPerSecond
            table.rows.append([
                label(result), Format.rate(rate.median), Format.rate(rate.min),
                Format.rate(rate.max), Format.fixed(result.megabytesPerSecond, 0),
                percentile(\.p50), percentile(\.p90), percentile(\.p99), percentile(\.p999),
                percentile(\.max), Format.nanoseconds(result.cpuNanosecondsPerOperation),
                result.ratioToFloor.map { Format.fixed($0, 3) } ?? "-",
                ratio.map { "x" + Format.fixed($0, 2) } ?? "-",
            ])
        }
        let skipped = Dictionary(grouping: results.filter { $0.skipped != nil }) { $0.skipped! }
            .sorted { $0.key < $1.key }
            .map {
                "  not run: \($0.value.map(\.engine.rawValue).joined(separator: ", ")): \($0.key)"
            }
        let floor = "  \(workload.summary); floor: \(workload.floor.rawValue)"
        return ([table.render(), floor] + skipped).joined(separator: "\n")
    }

    private static func label(_ result: KVResult) -> String {
        result.engine.rawValue + (result.isDurable ? "" : " (not durable)")
            + (result.isNoisy ? " ~" : "")
    }

    private static func costs(_ report: KVReport) -> String {
        var table = TextTable(header: [
            "engine", "DRAM/key", "medium/user byte", "write amp.", "open after kill",
            "open after close", "close",
            "gets verified", "entries verified", "wrong", "keys at end",
        ])
        for engine in report.engines {
            table.rows.append([
                engine.engine.rawValue,
                engine.dramBytesPerKey.map { Format.fixed($0, 1) + " B" } ?? "-",
                engine.mediumBytesPerUserByte.map { Format.fixed($0, 2) } ?? "-",
                engine.writeAmplification.map { Format.fixed($0, 2) } ?? "-",
                engine.openingAfterKill, engine.openingAfterClose,
                engine.closeSeconds.map { Format.seconds($0.median) } ?? "-",
                "\(engine.verifiedGets)", "\(engine.verifiedEntries ?? 0)", "\(engine.mismatches)",
                engine.count.map { "\($0) of \(engine.expectedCount ?? 0)" } ?? "-",
            ])
        }
        return table.render()
    }

    /// What the figures do not say by themselves.
    static func remarks(_ report: KVReport) -> [String] {
        var remarks: [String] = []
        let noisy = report.results.filter { $0.isNoisy && $0.skipped == nil }
        if !noisy.isEmpty {
            remarks.append(
                "noisy (~): least and greatest differ by more than "
                    + "\(Int(Spread.noisyRange * 100)) % of the median: "
                    + noisy.map { "\($0.engine.rawValue)/\($0.workload.rawValue)" }
                    .joined(separator: ", "))
        }
        let cut = report.results.compactMap { result in
            result.completedUntimed.map {
                "\(result.engine.rawValue)/\(result.workload.rawValue) \($0)"
            }
        }
        if !cut.isEmpty {
            remarks.append(
                "cut short by the time limit, keys completed untimed: "
                    + cut.joined(separator: ", "))
        }
        for engine in report.engines {
            if let failure = engine.failure {
                remarks.append("FAILED: \(engine.engine.rawValue): \(failure)")
            }
            if let mismatch = engine.firstMismatch {
                remarks.append("WRONG: \(engine.engine.rawValue): \(mismatch)")
            }
        }
        return remarks + acceptance(report)
    }

    /// The store's own goals: puts at half the speed of the append floor or more, and 1.5 million
    /// gets a second on a machine whose append floor does 4 million. The medians of single
    /// operations stand beside them, because other work on the machine hardly touches those.
    private static func acceptance(_ report: KVReport) -> [String] {
        func result(_ engine: EngineKind, _ workloads: [Workload]) -> KVResult? {
            report.results.last {
                $0.engine == engine && workloads.contains($0.workload) && $0.skipped == nil
            }
        }
        func median(_ result: KVResult) -> String {
            result.latency.map { Format.nanoseconds($0.p50) } ?? "-"
        }
        let fills: [Workload] = [.fillseq, .fillrandom]
        guard let floor = result(.floorAppend, fills) else { return [] }
        let floorRate = floor.operationsPerSecond.median
        var lines: [String] = []
        if let put = result(.pmemkv, fills) {
            let times = floorRate / put.operationsPerSecond.median
            lines.append(
                "goal: put within 2 times the append floor: \(Format.fixed(times, 2)) times "
                    + (times <= 2 ? "(met)" : "(missed)")
                    + "; p50 \(median(put)) against \(median(floor))")
        }
        if let get = result(.pmemkv, [.readrandom]) {
            let wanted = 1.5e6 * floorRate / 4e6
            let rate = get.operationsPerSecond.median
            lines.append(
                "goal: \(Format.rate(wanted)) gets/s, 1.5M scaled by this floor of "
                    + "\(Format.rate(floorRate)) to 4M: \(Format.rate(rate)) "
                    + (rate >= wanted ? "(met)" : "(missed)") + "; p50 \(median(get))")
        }
        return lines
    }
}
