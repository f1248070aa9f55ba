import Foundation

/// Two results of the same kind, line by line.
struct Regression {
    struct Line {
        var name: String
        var old: Double
        var new: Double
        /// Greater is better (operations/s) or worse (bytes per key, seconds).
        var greaterIsBetter: Bool
        /// The new median lies outside the old run's own range.
        var isOutsideNoise: Bool

        /// Above 1: better than before.
        var change: Double { greaterIsBetter ? new / old : old / new }
    }

    let lines: [Line]
    let remarks: [String]

    static func kv(_ old: KVReport, _ new: KVReport) -> Regression {
        var lines: [Line] = []
        for result in new.results where result.skipped == nil {
            guard
                let before = old.results.first(where: {
                    $0.engine == result.engine && $0.workload == result.workload
                        && $0.skipped == nil
                })
            else { continue }
            lines.append(
                line(
                    "\(result.engine.rawValue)/\(result.workload.rawValue) ops/s",
                    before.operationsPerSecond, result.operationsPerSecond, greaterIsBetter: true))
        }
        for engine in new.engines {
            guard let before = old.engines.first(where: { $0.engine == engine.engine }) else {
                continue
            }
            let name = engine.engine.rawValue
            if let was = before.dramBytesPerKey, let now = engine.dramBytesPerKey, was > 0, now > 0
            {
                lines.append(
                    line("\(name) DRAM/key", Spread([was]), Spread([now]), greaterIsBetter: false))
            }
            if let was = before.recoverySeconds, let now = engine.recoverySeconds {
                lines.append(line("\(name) recovery", was, now, greaterIsBetter: false))
            }
        }
        return Regression(lines: lines, remarks: differences(old, new))
    }

    static func io(_ old: IOReport, _ new: IOReport) -> Regression {
        let lines = new.results.compactMap { result -> Line? in
            guard let now = result.operationsPerSecond,
                let was = old.results.first(where: {
                    $0.target == result.target && $0.configuration == result.configuration
                })?.operationsPerSecond
            else { return nil }
            return line(
                "\(result.target) \(result.configuration.label) ops/s", was, now,
                greaterIsBetter: true)
        }
        let same = old.environment.kernel == new.environment.kernel
        return Regression(
            lines: lines, remarks: same ? [] : ["the kernels differ: figures may not compare"])
    }

    private static func line(
        _ name: String, _ old: Spread, _ new: Spread, greaterIsBetter: Bool
    ) -> Line {
        Line(
            name: name, old: old.median, new: new.median, greaterIsBetter: greaterIsBetter,
            isOutsideNoise: new.median < old.min || new.median > old.max)
    }

    /// What makes a comparison doubtful.
    private static func differences(_ old: KVReport, _ new: KVReport) -> [String] {
        var remarks: [String] = []
        if old.environment.cpu != new.environment.cpu
            || old.environment.kernel != new.environment.kernel
        {
            remarks.append("the machines or kernels differ: compare ratios to the floor instead")
        }
        if old.plan.keys != new.plan.keys || old.plan.valueSize != new.plan.valueSize
            || old.plan.threads != new.plan.threads
        {
            remarks.append("the data sets or threads differ")
        }
        let ranges = (old.results + new.results).map(\.operationsPerSecond)
        if ranges.contains(where: { $0.min == $0.max && $0.median > 0 }) {
            remarks.append("some figures are of one repetition: they have no range, nothing ties")
        }
        return remarks
    }

    /// Lines that became worse by more than the threshold, beyond the old run's own spread.
    func worse(threshold: Double) -> [Line] {
        lines.filter { $0.change < 1 - threshold && $0.isOutsideNoise }
    }

    func better(threshold: Double) -> [Line] {
        lines.filter { $0.change > 1 + threshold && $0.isOutsideNoise }
    }
}
