/// Where scripts come from: all short ones, and seeded random long ones.
package enum Workloads {
    /// Value lengths around every boundary that the log has: words, lines, non-temporal copies.
    package static let lengths = [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257]

    /// Every put and remove of two keys.
    package static let basicOperations: [Operation] = (0..<2).flatMap { key in
        lengths.map { Operation.put(key: key, length: $0, relaxed: false) }
            + [.remove(key: key, relaxed: false)]
    }

    /// The sequences of up to three basic operations behind a prefix, by number; only the crash
    /// states of the last one are looked at, since the others are last in a shorter sequence.
    package static var exhaustiveCount: Int {
        let n = basicOperations.count
        return n + n * n + n * n * n
    }

    package static func exhaustive(
        _ number: Int, shape: PoolShape, prefix: [Operation] = []
    ) -> Script {
        let n = basicOperations.count
        var rest = number
        var length = 1
        var size = n
        while rest >= size {
            rest -= size
            size *= n
            length += 1
        }
        var steps: [Step] = []
        for _ in 0..<length {
            steps.append(Step(basicOperations[rest % n]))
            rest /= n
        }
        return Script(
            shape, prefix.map { Step($0) } + steps,
            silentSteps: prefix.count + length - 1)
    }

    /// A random pool shape: small enough that segments fill, are compacted and reused.
    package static func shape(_ random: inout SplitMix) -> PoolShape {
        var shape = PoolShape()
        shape.segments = 4 + random.below(5)
        shape.heads = 1 + random.below(2)
        shape.keys = 2 + random.below(5)
        shape.sequenceStep = [1, 4, 64][random.below(3)]
        shape.checkpointThreshold = [1, 4, 1000][random.below(3)]
        if random.below(3) == 0 { shape.model = .paged }
        shape.usesTables = random.below(3) == 0
        return shape
    }

    /// A random script: overwrites, removes, batches, relaxed writes, large values, compaction,
    /// clean closes, and crashes that the run goes on from.
    package static func random(seed: UInt64) -> Script {
        var random = SplitMix(seed: seed)
        let shape = shape(&random)
        let mix = OperationMix(shape: shape, &random)
        var script = Script(shape)
        for _ in 0..<(8 + random.below(40)) {
            var step = Step(mix.next(&random))
            if random.below(9) == 0 {
                step.crashAt = random.below(3)
                step.pick = random.next() % 100_000
            }
            script.steps.append(step)
        }
        return script
    }

    /// Two writers behind a random beginning; in half of the scripts the compactor beside them.
    package static func parallel(seed: UInt64) -> Script {
        var random = SplitMix(seed: seed)
        var shape = shape(&random)
        shape.heads = 2
        shape.keys = 4
        shape.segments = 6 + random.below(8)
        var mix = OperationMix(shape: shape, &random)
        mix.usesMaintenance = false
        var script = Script(shape)
        for _ in 0..<random.below(16) { script.steps.append(Step(mix.next(&random))) }
        script.silentSteps = script.steps.count
        script.schedule = random.next()
        let sharesKeys = random.below(2) == 0
        for thread in 0..<2 {
            mix.keys = sharesKeys ? 0..<4 : (thread * 2)..<(thread * 2 + 2)
            mix.usesBatches = !sharesKeys
            script.parallel.append((0..<(2 + random.below(4))).map { _ in Step(mix.next(&random)) })
        }
        if random.below(2) == 0 { script.parallel.append(compactor(&random)) }
        return script
    }

    /// What the compactor's thread does.
    static func compactor(_ random: inout SplitMix) -> [Step] {
        (0..<(4 + random.below(12))).map { _ in Step(.step) }
    }
}

/// What kinds of operations a random script is made of.
private struct OperationMix {
    var keys: Range<Int>
    var usesMaintenance = true
    var usesBatches = true
    private let usesRelaxed: Bool
    private let usesLarge: Bool
    private let shape: PoolShape

    init(shape: PoolShape, _ random: inout SplitMix) {
        self.shape = shape
        keys = 0..<shape.keys
        usesRelaxed = random.below(3) == 0
        usesLarge = random.below(3) == 0
    }

    private func key(_ random: inout SplitMix) -> Int {
        keys.lowerBound + random.below(keys.count)
    }

    private func length(_ random: inout SplitMix) -> Int {
        switch random.below(8) {
        case 0 where usesLarge: return shape.segmentSize - 200 + random.below(1400)
        case 0, 1, 2: return Workloads.lengths[random.below(Workloads.lengths.count)]
        default: return random.below(200)
        }
    }

    func next(_ random: inout SplitMix) -> Operation {
        let relaxed = usesRelaxed && random.below(2) == 0
        switch random.below(shape.usesTables ? 26 : 24) {
        case 0 where usesMaintenance: return .reopen
        case 1 where usesMaintenance && random.below(3) == 0: return .kill
        case 1: return .compact
        case 20, 21: return .step
        case 24, 25:
            return .empty(tableOf: key(&random), drops: random.below(2) == 0)
        case 22: return .snapshot
        case 23: return random.below(2) == 0 ? .endSnapshot : .compact
        case 2 where usesRelaxed: return .sync
        case 3, 4: return .get(key: key(&random))
        case 5, 6, 7, 8: return .remove(key: key(&random), relaxed: relaxed)
        case 9 where usesBatches, 10 where usesBatches, 11 where usesBatches:
            let entries = keys.filter { _ in random.below(2) == 0 }.map { key in
                Operation.Entry(key: key, length: random.below(4) == 0 ? nil : length(&random))
            }
            guard entries.isEmpty else { return .batch(entries, relaxed: relaxed) }
            return .remove(key: key(&random), relaxed: relaxed)
        default: return .put(key: key(&random), length: length(&random), relaxed: relaxed)
        }
    }
}
