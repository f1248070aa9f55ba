import CBench

/// Puts of large values beside non-temporal stores of the same bytes.
struct LargeGoals {
    private let place: GoalPlace
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) { self.place = place }

    func measure() throws -> [GoalMeasurement] {
        var found: [GoalMeasurement] = []
        for (row, size) in [(GoalRow.put4K, 4 << 10), (.put64K, 64 << 10)] where place.wants(row) {
            found.append(try measure(row, size))
        }
        return found
    }

    private func measure(_ row: GoalRow, _ size: Int) throws -> GoalMeasurement {
        let total = plan.isQuick ? 64 << 20 : 512 << 20
        let data = DataSet(
            keySize: 16, valueSize: size, keys: total / size, seed: plan.seed)
        let store = try place.open(.pmemkv, data, keys: data.keys)
        let pool = try FloorPool(
            directory: place.subdirectory(), bytes: total, atLeast: total, threads: 1)
        let source = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        source.initializeMemory(as: UInt8.self, repeating: 0x5a, count: size)
        defer {
            source.deallocate()
            pool.close()
        }
        let fill = data.laps(.fillrandom, rounds: 16)
        let race = try Race(
            rounds: fill.count, warmUps: 2,
            [
                .init(name: "store") { try store.lap(fill[$0]) },
                .init(name: "stream") {
                    let pieces = fill[$0].operations.count
                    let start = total / fill.count * $0
                    var outcome = ThreadOutcome()
                    outcome.done = pieces
                    outcome.cpuAtStart = ProcessUsage.cpuSeconds
                    outcome.start = bench_ticks()
                    floor_stream(pool.base + start, source, size, pieces * size)
                    outcome.end = bench_ticks()
                    outcome.cpuAtEnd = ProcessUsage.cpuSeconds
                    return Lap([outcome])
                },
            ])
        try store.close()
        let rate = Double(size) / race.median("stream")
        return race.ratio(
            row, "store", to: "stream", ofRates: true,
            remark: "the medium takes \(Format.fixed(rate, 1)) GB/s")
    }
}
