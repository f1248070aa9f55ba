import Testing

@testable import PmemKV

@Suite struct GarbageQueueTests {
    private static let capacity = Units(1000)
    private let early = SegmentNumber(1)
    private let late = SegmentNumber(2)

    private func makeQueue() throws -> GarbageQueue {
        GarbageQueue(segments: 15)
    }

    /// Tells the queue how much of an extent lives at a moment.
    private func place(
        _ extent: SegmentNumber, live: Units, at moment: UInt64, in queue: inout GarbageQueue,
        step: Units = Units(20)
    ) {
        queue.place(
            extent, garbage: Self.capacity - live, live: live, dead: Self.capacity - live,
            capacity: Self.capacity, at: SequenceNumber(moment), step: step)
    }

    private func best(
        of live: [SegmentNumber: Units], at moment: UInt64, in queue: borrowing GarbageQueue,
        step: Units = Units(20)
    ) -> SegmentNumber? {
        queue.best(SequenceNumber(moment), step: step) { extent in
            live[extent].map {
                (Double((Self.capacity - $0).count) / Double(Self.capacity.count), $0)
            }
        }
    }

    /// The last records of an extent seemed to die so fast, few as they were, that an extent
    /// without any live record was never worth emptying: half of a pool that was half full were
    /// such extents, and three bytes were written for each.
    @Test func anExtentWithNothingAliveComesFirst() throws {
        var queue = try makeQueue()
        place(early, live: Units(40), at: 1000, in: &queue)
        place(late, live: Units(700), at: 1000, in: &queue)
        place(early, live: Units(0), at: 1001, in: &queue)
        #expect(best(of: [early: Units(0), late: Units(700)], at: 9000, in: queue) == early)
    }

    /// Two deaths right after one another, the first of which happened to fill a step, made an
    /// extent one whose records die fast, whatever else was seen of it.
    @Test func fewDeathsTellNothingOfTheRate() throws {
        var queue = try makeQueue()
        for (extent, live) in [(early, 500), (late, 680)] {
            place(extent, live: Units(live + 100), at: 1000, in: &queue)
            place(extent, live: Units(live), at: 2000, in: &queue)
        }
        place(early, live: Units(499), at: 2001, in: &queue)
        #expect(best(of: [early: Units(499), late: Units(680)], at: 2002, in: queue) == early)
    }

    /// In a pool with small segments a step is one unit, half of which is none: an extent that was
    /// looked at twice while nothing in it died had the rate nought, or, when nothing in it lived,
    /// none that is a number. The one was worth more than any other from then on, however little
    /// garbage it had, the other hid all that was looked at behind it.
    @Test(arguments: [990, 0])
    func noDeathTellsNothingOfTheRate(live: Int) throws {
        let step = Units(1)
        var queue = try makeQueue()
        for moment in [1000, 2000] as [UInt64] {
            place(early, live: Units(live), at: moment, in: &queue, step: step)
        }
        place(late, live: Units(100), at: 2000, in: &queue, step: step)
        // What is kept of an extent may be more than what lives: tombstones.
        let kept = [early: Units(990), late: Units(100)]
        #expect(best(of: kept, at: 2001, in: queue, step: step) == late)
    }
}
