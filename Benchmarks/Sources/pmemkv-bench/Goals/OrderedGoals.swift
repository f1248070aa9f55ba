/// The ordered index beside the hash index alone, and its scans beside LMDB's.
struct OrderedGoals {
    private let place: GoalPlace
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) {
        self.place = place
        data = DataSet(
            keySize: 16, valueSize: 200, keys: place.plan.keys, seed: place.plan.seed)
    }

    private var wantsFreshScans: Bool { place.wants(.scan, .scanRate, .readseq) }
    private var wantsLateScans: Bool { place.wants(.scanOverwritten, .readseqOverwritten) }
    private var wantsOverwrites: Bool { wantsLateScans || place.wants(.orderedOverwrite) }

    func measure() throws -> [GoalMeasurement] {
        let room = plan.keys * 3 / 2
        let hash = try place.open(.pmemkv, data, keys: room)
        let ordered = try place.open(.pmemkvOrdered, data, keys: room)
        let fill = data.laps(.fillrandom, rounds: plan.fillRounds)
        var found = [
            try race(.orderedPut, ordered, hash, fill, warmUps: plan.fillRounds / 4)
        ]
        var lmdb: (any Runner)?
        if wantsFreshScans || wantsLateScans { lmdb = try openLMDB(fill) }
        if wantsFreshScans {
            found += try scans(ordered, lmdb, .scan, .readseq, rate: .scanRate)
        }
        if wantsOverwrites {
            // Twice every key, in two orders.
            let overwrites = [1, 2].flatMap {
                data.laps(.fillrandom, rounds: plan.fillRounds, seed: $0)
            }
            found.append(try race(.orderedOverwrite, ordered, hash, overwrites))
            if wantsLateScans {
                for stream in overwrites { _ = try lmdb?.lap(stream) }
                found += try scans(ordered, lmdb, .scanOverwritten, .readseqOverwritten)
            }
        }
        if place.wants(.orderedRemove) {
            let removes = data.laps(.deleterandom, rounds: plan.rounds, lap: plan.lap, seed: 3)
            found.append(try race(.orderedRemove, ordered, hash, removes))
        }
        try lmdb?.close()
        try hash.close()
        try ordered.close()
        return found
    }

    private func race(
        _ row: GoalRow, _ ordered: any Runner, _ hash: any Runner, _ streams: [OperationStream],
        warmUps: Int = 1
    ) throws -> GoalMeasurement {
        try Race(
            rounds: streams.count, warmUps: warmUps,
            [
                .init(name: "ordered") { try ordered.lap(streams[$0]) },
                .init(name: "hash") { try hash.lap(streams[$0]) },
            ]
        ).ratio(row, "ordered", to: "hash")
    }

    /// Not synced: only its reads are measured. Nil where it is not part of the build.
    private func openLMDB(_ fill: [OperationStream]) throws -> (any Runner)? {
        guard EngineKind.lmdbNoSync.packageToInstall == nil else { return nil }
        let lmdb = try place.open(.lmdbNoSync, data, keys: plan.keys)
        for stream in fill { _ = try lmdb.lap(stream) }
        return lmdb
    }

    private func scans(
        _ ordered: any Runner, _ lmdb: (any Runner)?, _ scan: GoalRow, _ readseq: GoalRow,
        rate: GoalRow? = nil
    ) throws -> [GoalMeasurement] {
        let seeks = data.laps(
            .seekrandom, rounds: plan.rounds, lap: plan.isQuick ? 40 : 300, seed: 4)
        let all = OperationStream(
            operations: [Operation(index: 0, kind: .readAll, length: 0)], repeats: false,
            version: 1)
        func race(_ rounds: Int, _ stream: @escaping (Int) -> OperationStream) throws -> Race {
            var lanes = [Race.Lane(name: "store") { try ordered.lap(stream($0)) }]
            if let lmdb { lanes.append(.init(name: "lmdb") { try lmdb.lap(stream($0)) }) }
            return try Race(rounds: rounds, warmUps: 1, lanes)
        }
        let short = try race(plan.rounds) { seeks[$0] }
        let long = try race(plan.isQuick ? 3 : 6) { _ in all }
        var found: [GoalMeasurement] = []
        if let rate {
            let rates = short.quartiles("store") { 1e9 / $0.nanoseconds }
            found.append(
                GoalMeasurement(
                    row: rate, value: rates.median, low: rates.low, high: rates.high,
                    nanoseconds: short.median("store"), remark: "fresh"))
        }
        guard lmdb != nil else {
            let reason = "LMDB is not part of this build: apt-get install liblmdb-dev"
            return found
                + [scan, readseq].map { GoalMeasurement(row: $0, remark: reason) }
        }
        return found + [
            short.ratio(scan, "store", to: "lmdb", remark: "of 100 entries"),
            long.ratio(readseq, "store", to: "lmdb", remark: "an entry"),
        ]
    }
}
