/// Memory and opening: a run of `kv` that loads, is killed, recovers, closes and opens again.
struct OpeningGoals {
    private let place: GoalPlace
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) { self.place = place }

    private struct Opening {
        var kill: Quartiles
        var clean: Quartiles
        /// Bytes of DRAM when all keys had been put.
        var dram: Double
    }

    func measureMemory() throws -> [GoalMeasurement] {
        let engines = [EngineKind.pmemkv, .pmemkvOrdered]
        let half = try run(engines, keys: plan.keys / 2, checksRecovery: false)
        let found = try run(engines, keys: plan.keys)
        guard let hash = found[.pmemkv], let ordered = found[.pmemkvOrdered],
            let lessHash = half[.pmemkv], let lessOrdered = half[.pmemkvOrdered]
        else { return [] }
        return [
            memory(.dramHash, lessHash.dram, hash.dram),
            memory(.dramOrdered, lessOrdered.dram, ordered.dram),
            measurement(.orderedOpenClean, ordered.clean, plan.keys, beside: hash.clean),
            measurement(.orderedOpenKill, ordered.kill, plan.keys, beside: hash.kill),
        ]
    }

    /// What a key more takes, by the memory with half of the keys and with all; what it does not
    /// explain is there however many keys there are.
    private func memory(_ row: GoalRow, _ half: Double, _ all: Double) -> GoalMeasurement {
        let slope = (all - half) / Double(plan.keys - plan.keys / 2)
        let fixed = Int(max(0, all - slope * Double(plan.keys)))
        let size = Format.rate(Double(plan.keys / 2)) + " to " + Format.rate(Double(plan.keys))
        return GoalMeasurement(
            row: row, value: slope, remark: "\(size) keys; \(Format.bytes(fixed)) besides")
    }

    func measureRecovery() throws -> [GoalMeasurement] {
        let keys = plan.recoveryKeys
        guard let hash = try run([.pmemkv], keys: keys)[.pmemkv] else { return [] }
        return [
            measurement(.recoveryClean, hash.clean, keys),
            measurement(.recoveryKill, hash.kill, keys),
        ]
    }

    private func measurement(
        _ row: GoalRow, _ seconds: Quartiles, _ keys: Int, beside hash: Quartiles? = nil
    ) -> GoalMeasurement {
        let scale = 1e9 / Double(keys)
        var remark =
            "\(Format.seconds(seconds.median)) at \(Format.rate(Double(keys))) keys"
        if let hash {
            remark += ", \(Format.fixed(seconds.median / hash.median, 1)) times the hash index"
        }
        return GoalMeasurement(
            row: row, value: seconds.median * scale, low: seconds.low * scale,
            high: seconds.high * scale, remark: remark)
    }

    private func run(
        _ engines: [EngineKind], keys: Int, checksRecovery: Bool = true
    ) throws -> [EngineKind: Opening] {
        let sizes = (key: SizeDistribution("16")!, value: SizeDistribution("200")!)
        let run = KVPlan(
            path: place.directory, engines: engines, workloads: [.fillrandom], keys: keys,
            keySize: sizes.key, valueSize: sizes.value, threads: 1, operations: keys, duration: 0,
            warmup: 0, timeLimit: 0, repetitions: plan.isQuick ? 1 : 3, budget: 0,
            seed: plan.seed, recordsLatency: false, store: StoreOptions(),
            checksRecovery: checksRecovery, forcedPmem: plan.forcedPmem)
        var found: [EngineKind: Opening] = [:]
        for (engine, repetitions) in try KVRunner(plan: run, say: OutputOptions.say).run() {
            if let failure = repetitions.lazy.compactMap(\.failure).first {
                throw BenchError("\(engine.rawValue): \(failure)")
            }
            let mismatches = repetitions.reduce(0) { $0 + ($1.work?.mismatches ?? 0) }
            guard mismatches == 0 else {
                throw BenchError("\(engine.rawValue): \(mismatches) wrong values")
            }
            found[engine] = Opening(
                kill: Quartiles(repetitions.compactMap(\.work?.openSeconds)),
                clean: Quartiles(repetitions.compactMap(\.reopen?.openSeconds)),
                dram: Quartiles(repetitions.compactMap { $0.load?.dramBytes.map(Double.init) })
                    .median)
        }
        return found
    }
}
