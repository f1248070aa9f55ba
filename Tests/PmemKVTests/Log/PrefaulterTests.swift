import Glibc
import Testing

@testable import PmemKV

@Suite("Prefaulter")
struct PrefaulterTests {
    /// Asked from four threads at once, steps still come one at a time.
    @Test func stepsComeOneAtATime() {
        let prefaulter = Prefaulter()
        let running = SharedCount()
        let steps = SharedCount()
        let overlaps = SharedCount()
        onThreads(4) { _ in
            for _ in 0..<500 {
                prefaulter.ask {
                    if running.value % 2 != 0 { overlaps.add() }
                    running.add()
                    steps.add()
                    running.add()
                    return steps.value % 3 != 0
                }
            }
        }
        for _ in 0..<2000 where steps.value < 3 { usleep(1000) }
        prefaulter.stop()
        #expect(overlaps.value == 0)
        #expect(steps.value >= 3, "a job goes on while there is something to do")
    }

    /// The mapping goes when the store is closed: no step may still be in it, and none may begin.
    @Test func nothingRunsAfterStop() {
        let prefaulter = Prefaulter()
        let steps = SharedCount()
        prefaulter.ask {
            usleep(1000)
            steps.add()
            return true
        }
        while steps.value < 3 { usleep(100) }
        prefaulter.stop()
        let before = steps.value
        prefaulter.ask {
            steps.add()
            return false
        }
        usleep(5000)
        #expect(steps.value == before)
    }

    /// A pool on the flush-and-fence path prepares ahead of the writer, and each segment once.
    @Test func segmentsAreReadyBeforeTheyAreTaken() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, segmentSize: 64 << 10)
        defer { store.abandon() }
        guard store.mediumInfo.strategy != .msync else {
            let segments = store.engine.segments
            #expect((0..<60).allSatisfy { !segments.states[$0].isPrepared || $0 < 2 })
            return
        }
        try store.put("value", forKey: "key")
        let segments = store.engine.segments
        let open = (0..<60).filter { segments.states[$0].phase == .open }
        for _ in 0..<2000 where !segments.states[open.max()! + 2].isPrepared { usleep(1000) }
        #expect(segments.states[open.max()! + 1].isPrepared)
        #expect(segments.states[open.max()! + 2].isPrepared)
        #expect(!segments.states[open.max()! + 3].isPrepared)
    }
}
