/// Single operations and batches of the hash index beside the floors, one thread.
struct PointGoals {
    /// The rows of one size of records.
    struct Rows {
        var keySize: Int
        var valueSize: Int
        var put: GoalRow
        var overwrite: GoalRow
        var get: GoalRow
        var getDependent: GoalRow
        var miss: GoalRow
        /// Deletes and batches are measured with one size only.
        var hasOthers: Bool

        static let large = Rows(
            keySize: 16, valueSize: 200, put: .put, overwrite: .overwrite, get: .get,
            getDependent: .getDependent, miss: .miss, hasOthers: true)
        static let small = Rows(
            keySize: 8, valueSize: 8, put: .smallPut, overwrite: .smallOverwrite, get: .smallGet,
            getDependent: .smallGetDependent, miss: .smallMiss, hasOthers: false)

    }

    private let place: GoalPlace
    private let rows: Rows
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace, _ rows: Rows) {
        self.place = place
        self.rows = rows
        data = DataSet(
            keySize: rows.keySize, valueSize: rows.valueSize, keys: place.plan.keys,
            seed: place.plan.seed)
    }

    func measure() throws -> [GoalMeasurement] {
        // Half as many keys again: room for all overwrites, so that nothing is compacted.
        let store = try place.open(.pmemkv, data, keys: plan.keys * 3 / 2)
        let append = try place.open(.floorAppend, data, keys: plan.keys)
        let fill = data.laps(.fillrandom, rounds: plan.fillRounds)
        let puts = try Race(
            rounds: plan.fillRounds, warmUps: plan.fillRounds / 4,
            [
                .init(name: "store") { try store.lap(fill[$0]) },
                .init(name: "append") { try append.lap(fill[$0]) },
            ])
        var found = [puts.ratio(rows.put, "store", to: "append", remark: "fill from empty")]
        if place.wants(rows.get, rows.getDependent, rows.miss)
            || rows.hasOthers && place.wants(.multiGet)
        {
            found += try measureReads(store, filled: fill)
        }
        if place.wants(rows.overwrite)
            || rows.hasOthers && place.wants(.batch8, .batch64, .transaction)
        {
            found += try measureWrites(store, append)
        }
        if rows.hasOthers, place.wants(.delete) { found.append(try measureDeletes(store)) }
        try store.close()
        try append.close()
        return found
    }

    private func measureReads(
        _ store: any Runner, filled: [OperationStream]
    ) throws -> [GoalMeasurement] {
        let floor = try RecordFloor(
            directory: place.subdirectory(), profile: place.profile(data, keys: plan.keys))
        floor.fill(
            filled.flatMap(\.operations), keys: try data.codec, valueSizes: data.valueSizes)
        let table = try EngineRunner(floor, keys: data.codec, valueSizes: data.valueSizes)
        let (rounds, lap) = (plan.rounds, plan.lap)
        let gets = data.laps(.readrandom, rounds: rounds, lap: lap, seed: 1)
        let dependent = data.laps(.readrandom, rounds: rounds, lap: lap, seed: 2) { _ in
            .getDependent
        }
        let groups = data.laps(.readrandom, rounds: rounds, lap: lap / 16 * 16, seed: 9) {
            $0 % 16 == 15 ? .groupEnd : .groupGet
        }
        let misses = data.laps(.readmissing, rounds: rounds, lap: lap, seed: 3)
        let race = try Race(
            rounds: rounds, warmUps: 1,
            [
                .init(name: "get") { try store.lap(gets[$0]) },
                .init(name: "ahead") {
                    let outcome = try floor.readAhead(gets[$0].operations)
                    guard outcome.misses == 0 else { throw BenchError("floor: damaged records") }
                    return Lap([outcome])
                },
                .init(name: "table") { try table.lap(gets[$0]) },
                .init(name: "groups") { try store.lap(groups[$0]) },
                .init(name: "dependent") { try store.lap(dependent[$0]) },
                .init(name: "table-dependent") { try table.lap(dependent[$0]) },
                .init(name: "miss") { try store.lap(misses[$0]) },
                .init(name: "table-miss") { try table.lap(misses[$0]) },
            ])
        func nanoseconds(_ lane: String) -> String { Format.nanoseconds(race.median(lane)) }
        var found = [
            race.ratio(
                rows.get, "get", to: "ahead",
                remark: "floor (c) takes \(nanoseconds("table")) for independent keys"),
            race.ratio(rows.getDependent, "dependent", to: "table-dependent"),
            race.ratio(
                rows.miss, "miss", to: "get",
                remark: "floor (d), the C table, takes \(nanoseconds("table-miss"))"),
        ]
        if rows.hasOthers { found.append(race.ratio(.multiGet, "groups", to: "get")) }
        try table.close()
        return found
    }

    private func measureWrites(
        _ store: any Runner, _ append: any Runner
    ) throws -> [GoalMeasurement] {
        let (rounds, lap) = (plan.rounds, plan.lap)
        func overwrites(_ seed: UInt64, batch: Int = 1) -> [OperationStream] {
            let whole = lap / batch * batch
            return data.laps(.overwrite, rounds: rounds, lap: whole, seed: seed) {
                batch == 1 ? .put : $0 % batch == batch - 1 ? .batchEnd : .batchPut
            }
        }
        let single = overwrites(4)
        var lanes = [
            Race.Lane(name: "single") { try store.lap(single[$0]) },
            Race.Lane(name: "append") { try append.lap(single[$0]) },
        ]
        if rows.hasOthers {
            let (eight, many) = (overwrites(5, batch: 8), overwrites(6, batch: 64))
            lanes.append(.init(name: "batch8") { try store.lap(eight[$0]) })
            lanes.append(.init(name: "batch64") { try store.lap(many[$0]) })
            // Of other keys each: those of one lane are in the processor's caches for the next.
            for (name, end, seed) in [
                ("updates", Operation.Kind.updateEnd, 10), ("transactions", .transactionEnd, 11),
            ] {
                let pairs = data.laps(
                    .overwrite, rounds: rounds, lap: lap / 2 * 2, seed: UInt64(seed)
                ) {
                    $0 % 2 == 1 ? end : .groupGet
                }
                lanes.append(.init(name: name) { try store.lap(pairs[$0]) })
            }
        }
        let race = try Race(rounds: rounds, warmUps: 1, lanes)
        var found = [race.ratio(rows.overwrite, "single", to: "append")]
        if rows.hasOthers {
            found.append(race.ratio(.batch8, "batch8", to: "single"))
            found.append(race.ratio(.batch64, "batch64", to: "single"))
            found.append(race.ratio(.transaction, "transactions", to: "updates"))
        }
        return found
    }

    private func measureDeletes(_ store: any Runner) throws -> GoalMeasurement {
        let rounds = plan.rounds
        // A key is deleted once: laps of other keys each, from one half; the other is overwritten.
        let deletes = data.half(
            false, of: data.laps(.deleterandom, rounds: rounds, lap: plan.lap * 2, seed: 7))
        let writes = data.half(
            true, of: data.laps(.overwrite, rounds: rounds, lap: plan.lap * 2, seed: 8))
        let race = try Race(
            rounds: rounds, warmUps: 1,
            [
                .init(name: "delete") { try store.lap(deletes[$0]) },
                .init(name: "overwrite") { try store.lap(writes[$0]) },
            ])
        return race.ratio(.delete, "delete", to: "overwrite")
    }
}
