import CBench
import PmemKV

/// What compaction takes for each record that it copies: a pool of which every segment is partly
/// dead is compacted as a whole.
struct CompactionGoal {
    private let place: GoalPlace
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) {
        self.place = place
        data = DataSet(
            keySize: 16, valueSize: 200, keys: place.plan.sustainedKeys, seed: place.plan.seed)
    }

    func measure() throws -> [GoalMeasurement] {
        let pool = try StorePool(in: place.subdirectory(), data, fullness: 0.4)
        for stream in data.laps(.fillrandom, rounds: 1) { _ = try pool.runner.lap(stream) }
        let rounds = plan.isQuick ? 2 : 5
        let overwrites = data.laps(
            .overwrite, rounds: rounds, lap: data.keys / 2, seed: 1)
        var times: [Double] = []
        var copied = 0
        for round in 0..<rounds {
            _ = try pool.runner.lap(overwrites[round])
            let before = pool.store.statistics
            let start = bench_ticks()
            try pool.store.compact()
            let end = bench_ticks()
            copied = pool.copied(before, pool.store.statistics)
            guard copied > 0 else { throw BenchError("compaction copied nothing") }
            times.append(CheapClock.shared.nanoseconds(end - start) / Double(copied))
        }
        try pool.runner.close()
        let quartiles = Quartiles(times)
        return [
            GoalMeasurement(
                row: .compaction, value: quartiles.median, low: quartiles.low,
                high: quartiles.high,
                remark: "compact() of a pool that is partly dead, \(Format.rate(Double(copied))) "
                    + "records copied")
        ]
    }
}
