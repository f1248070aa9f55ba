extension Workloads {
    /// Compaction against writers that have given their head back and not yet published.
    ///
    /// In that moment a removal has left its tombstone, and what it supersedes is not counted as
    /// dead. The puts are in other extents than the tombstones: compaction at the beginning has
    /// moved them.
    package static func publishers(seed: UInt64) -> Script {
        var random = SplitMix(seed: seed)
        var shape = PoolShape()
        shape.segments = 8
        shape.heads = 1 + random.below(2)
        shape.keys = 4
        shape.sequenceStep = 64
        shape.checkpointThreshold = 1000
        if random.below(2) == 0 { shape.model = .paged }
        func put(_ key: Int) -> Step { Step(.put(key: key, length: 100, relaxed: false)) }
        var script = Script(shape)
        // One dead record, so that there is something to compact.
        script.steps = [put(0)] + (0..<4).map(put) + [Step(.compact)]
        if random.below(2) == 0 { script.steps.append(put(random.below(4))) }
        script.silentSteps = script.steps.count
        script.schedule = random.next()
        let writes = (0..<(1 + random.below(4))).map { _ in
            let key = random.below(4)
            return random.below(4) == 0 ? put(key) : Step(.remove(key: key, relaxed: false))
        }
        let compactions = (0..<(1 + random.below(3))).map { _ in Step(.compact) }
        script.parallel = [writes, compactions]
        return script
    }
}
