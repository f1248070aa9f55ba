/// Whether two results rank the engines of one workload alike.
///
/// Two engines are tied in a result when the ranges of their repetitions, least to greatest,
/// overlap: which of them has the greater median is then chance. The ranking is the same when no
/// pair of engines lies apart in both results, but in opposite order.
struct Ranking: Equatable {
    struct Swap: Equatable {
        var wasFaster: String
        var isFaster: String
    }

    let workload: String
    /// Engines that both results have, the fastest of the new result first.
    let engines: [String]
    /// Pairs of engines that are tied in at least one of the results.
    private(set) var tied = 0
    /// Those of the tied pairs whose medians changed their order.
    private(set) var swappedWithinNoise = 0
    private(set) var swaps: [Swap] = []

    var pairs: Int { engines.count * (engines.count - 1) / 2 }
    var isSame: Bool { swaps.isEmpty }

    init(workload: String, old: [String: Spread], new: [String: Spread]) {
        self.workload = workload
        engines = new.keys.filter { old[$0] != nil }
            .sorted { (new[$0]!.median, $1) > (new[$1]!.median, $0) }
        for (place, faster) in engines.enumerated() {
            for slower in engines[(place + 1)...] {
                compare(slower, faster, old[slower]!, old[faster]!, new[slower]!, new[faster]!)
            }
        }
    }

    /// `faster` has the greater median in the new result.
    private mutating func compare(
        _ slower: String, _ faster: String, _ oldSlower: Spread, _ oldFaster: Spread,
        _ newSlower: Spread, _ newFaster: Spread
    ) {
        let hasSwapped = oldSlower.median > oldFaster.median
        if oldSlower.overlaps(oldFaster) || newSlower.overlaps(newFaster) {
            tied += 1
            if hasSwapped { swappedWithinNoise += 1 }
        } else if hasSwapped {
            swaps.append(Swap(wasFaster: slower, isFaster: faster))
        }
    }

    /// The rankings of all workloads in which both results have two engines or more.
    static func all(_ old: KVReport, _ new: KVReport) -> [Ranking] {
        new.plan.workloads.map { workload in
            func rates(_ report: KVReport) -> [String: Spread] {
                let results = report.results.filter { $0.workload == workload && $0.skipped == nil }
                return Dictionary(
                    results.map { ($0.engine.rawValue, $0.operationsPerSecond) },
                    uniquingKeysWith: { first, _ in first })
            }
            return Ranking(workload: workload.rawValue, old: rates(old), new: rates(new))
        }.filter { $0.pairs > 0 }
    }

    static func render(_ rankings: [Ranking]) -> String {
        var table = TextTable(header: [
            "ranking", "engines", "pairs", "tied", "swapped within noise", "swapped beyond noise",
        ])
        var swaps: [String] = []
        for ranking in rankings {
            table.rows.append([
                ranking.workload, "\(ranking.engines.count)", "\(ranking.pairs)",
                "\(ranking.tied)", "\(ranking.swappedWithinNoise)", "\(ranking.swaps.count)",
            ])
            swaps += ranking.swaps.map {
                "\(ranking.workload): \($0.wasFaster) was faster than \($0.isFaster), now slower"
            }
        }
        let same = rankings.count { $0.isSame }
        let verdict =
            "the ranking of engines is the same in \(same) of \(rankings.count) workloads "
            + "(engines whose repetitions overlap count as tied)"
        return ([table.render()] + swaps + [verdict]).joined(separator: "\n")
    }
}

extension Spread {
    func overlaps(_ other: Spread) -> Bool { min <= other.max && other.min <= max }
}
