import PmemKV

/// A crash state that recovery got wrong, with all that is needed to see it again.
package struct Failure: Sendable, CustomStringConvertible {
    package var problem: String
    package var script: Script
    package var step: Int
    /// The drain before which the crash happens; nil behind the last step.
    package var site: PersistSite?
    package var seed: UInt64

    package var description: String {
        let shape = script.shape
        let place = site.map { "before the drain '\($0)'" } ?? "after the last drain"
        let steps =
            (script.steps.map(\.description)
            + script.parallel.enumerated().flatMap { number, steps in
                steps.map { "thread \(number): \($0)" }
            })
            .map { "    \($0)" }.joined(separator: "\n")
        return """
            \(problem)
              crash in step \(step), \(place); model \(shape.model.name), \(shape.segments) \
            segments of \(shape.segmentSize) bytes, \(shape.heads) heads, \(shape.keys) keys, \
            sequence step \(shape.sequenceStep), checkpoint threshold \
            \(shape.checkpointThreshold), seed \(seed)
            \(steps)
            """
    }
}

/// How hard an explorer looks.
package struct Effort: Sendable {
    /// Crash states looked at before one drain; above that they are sampled.
    package var statesPerDrain = 1024
    /// One of so many states gets the long examination: read-only recovery, recovery twice,
    /// fifty more operations.
    package var longEvery: UInt64 = 64
    /// One of so many states has the crash states of its own recovery looked at.
    package var nestedEvery: UInt64 = 256
    /// The same for states inside a recovery: crashes three deep.
    package var deepEvery: UInt64 = 512
    package var nestedStatesPerDrain = 256

    package init() {}
}

/// Numbers of a run.
package struct Tally: Sendable {
    package var states = 0
    package var nested = 0
    package var drains = 0
    package var scripts = 0
    package var longExaminations = 0
    package var uselessFlushes = 0

    package init() {}

    package static func += (sum: inout Tally, other: Tally) {
        sum.states += other.states
        sum.nested += other.nested
        sum.drains += other.drains
        sum.scripts += other.scripts
        sum.longExaminations += other.longExaminations
        sum.uselessFlushes += other.uselessFlushes
    }
}
