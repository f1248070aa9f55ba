extension Workloads {
    /// A pool that grows: a random script with growth in it, in which the machine may crash as
    /// anywhere; every third time beside two writers.
    ///
    /// Values fill what is there soon, so that what has come is used.
    package static func growing(seed: UInt64) -> Script {
        var script = seed % 3 == 0 ? parallel(seed: seed) : random(seed: seed)
        var random = SplitMix(seed: ~seed)
        script.shape.mostSegments = script.shape.segments + 1 + random.below(8)
        func growth() -> Step {
            var step = Step(.grow(segments: 1 + random.below(3)))
            if random.below(4) == 0 {
                step.crashAt = random.below(4)
                step.pick = random.next() % 100_000
            }
            return step
        }
        guard script.parallel.isEmpty else {
            // Instead of a crash there are the states of all drains.
            script.parallel.append(
                (0..<(1 + random.below(3))).map { _ in
                    Step(.grow(segments: 1 + random.below(3)))
                })
            return script
        }
        for _ in 0..<(1 + random.below(4)) {
            script.steps.insert(growth(), at: random.below(script.steps.count + 1))
        }
        return script
    }
}
