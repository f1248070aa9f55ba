import PmemKV

/// A store on a simulated medium that two threads use under the scheduler.
///
/// What is checked needs no crash: it is what the two threads see, and what the next open finds.
package final class Race {
    let shape: PoolShape
    let medium: SimulatedMedium
    private let blank: PoolImage

    package init(_ shape: PoolShape) {
        self.shape = shape
        medium = SimulatedMedium(size: shape.poolSize, model: shape.model)
        medium.reset(to: nil)
        do throws(StoreError) {
            try PmemStore.open(
                on: medium, formatSegmentSize: shape.segmentSize, options: shape.options
            ).close()
        } catch {
            fatalError("formatting a simulated pool: \(error)")
        }
        blank = PoolImage(size: shape.poolSize)
        blank.copy(from: medium.visible)
        medium.spoilsWhenClosed = true
    }

    /// A store on an empty pool.
    func openBlank(_ index: IndexKind) throws(StoreError) -> PmemStore {
        medium.reset(to: blank)
        return try open(index)
    }

    /// The store after a close: what is not durable is gone.
    func reopen() throws(StoreError) -> PmemStore {
        medium.thread = 0
        medium.settle()
        return try open(.hash)
    }

    private func open(_ index: IndexKind) throws(StoreError) -> PmemStore {
        var options = shape.options
        options.index = index
        return try PmemStore.open(on: medium, options: options)
    }

    /// Runs both to their ends, interleaved as the seed says. How often they take turns depends on
    /// it as well: some faults need a long run of one thread between two steps of the other.
    func run(
        seed: UInt64, _ first: @escaping (ThreadScheduler) -> Void,
        _ second: @escaping (ThreadScheduler) -> Void
    ) {
        run(seed: seed, [first, second])
    }

    /// The same for up to four.
    func run(seed: UInt64, _ bodies: [(ThreadScheduler) -> Void]) {
        var random = SplitMix(seed: seed)
        let scheduler = ThreadScheduler(
            seed: random.next(), medium: medium, rarity: 1 << UInt64(1 + random.below(5)))
        run(scheduler, bodies.map { body in { body(scheduler) } })
    }

    /// Runs two to their ends, the first one until it is preempted, at scheduling points with these
    /// numbers, or waits. Returns how many of such points there were.
    func run(preemptedAt points: [Int], _ bodies: [() -> Void]) -> Int {
        let scheduler = ThreadScheduler(preemptedAt: points, medium: medium)
        run(scheduler, bodies)
        return scheduler.points
    }

    private func run(_ scheduler: ThreadScheduler, _ bodies: [() -> Void]) {
        medium.scheduler = scheduler
        defer { medium.scheduler = nil }
        let turns = bodies.map { body in
            let turn = Turn(body)
            return { @Sendable in turn.body() }
        }
        scheduler.run(turns)
        medium.thread = 0
    }

    /// The scheduler lets one thread run at a time.
    private struct Turn: @unchecked Sendable {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
}
