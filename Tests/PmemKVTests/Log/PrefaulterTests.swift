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
        let segments = store.engine.log.segments
        guard store.mediumInfo.strategy != .msync else {
            #expect(segments.geometry.segments.dropFirst(2).allSatisfy { !segments.isPrepared($0) })
            return
        }
        try store.put("value", forKey: "key")
        let open = try #require(segments.geometry.segments.last { segments.phase($0) == .open })
        for _ in 0..<2000 where !segments.isPrepared(open + 2) { usleep(1000) }
        #expect(segments.isPrepared(open + 1))
        #expect(segments.isPrepared(open + 2))
        #expect(!segments.isPrepared(open + 3))
    }
}
