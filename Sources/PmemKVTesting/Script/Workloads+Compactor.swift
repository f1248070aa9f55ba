extension Workloads {
    /// The compactor's thread against two writers, in a pool that is full of what it empties: the
    /// extents change under it between its steps and within them.
    package static func compactor(seed: UInt64) -> Script {
        var random = SplitMix(seed: seed)
        var shape = PoolShape()
        shape.segments = 7 + random.below(4)
        shape.heads = 1 + random.below(2)
        shape.keys = 4
        shape.sequenceStep = 64
        shape.checkpointThreshold = [1, 1000][random.below(2)]
        if random.below(2) == 0 { shape.model = .paged }
        func write() -> Step {
            let key = random.below(4)
            if random.below(4) == 0 { return Step(.remove(key: key, relaxed: false)) }
            let relaxed = random.below(8) == 0
            return Step(.put(key: key, length: 60 + random.below(160), relaxed: relaxed))
        }
        var script = Script(shape)
        script.steps = (0..<(8 + random.below(16))).map { _ in write() }
        // Some begin in the middle of an extent.
        script.steps += (0..<random.below(4)).map { _ in Step(.step) }
        script.silentSteps = script.steps.count
        script.schedule = random.next()
        var maintenance = (0..<(1 + random.below(3))).map { _ in write() }
        if random.below(3) == 0 { maintenance.append(Step(.compact)) }
        script.parallel = [
            (0..<(3 + random.below(6))).map { _ in write() }, maintenance, compactor(&random),
        ]
        return script
    }
}
