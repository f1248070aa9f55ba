import Glibc
import Testing

@testable import PmemKV

@Suite("Background worker")
struct BackgroundWorkerTests {
    /// Asked from four threads at once, steps still come one at a time.
    @Test func stepsComeOneAtATime() {
        let worker = BackgroundWorker(label: "pmemkv.test")
        let running = SharedCount()
        let steps = SharedCount()
        let overlaps = SharedCount()
        onThreads(4) { _ in
            for _ in 0..<500 {
                worker.ask {
                    if running.value % 2 != 0 { overlaps.add() }
                    running.add()
                    steps.add()
                    running.add()
                    return steps.value % 3 != 0
                }
            }
        }
        for _ in 0..<2000 where steps.value < 3 { usleep(1000) }
        worker.stop()
        #expect(overlaps.value == 0)
        #expect(steps.value >= 3, "a job goes on while there is something to do")
    }

    /// The mapping goes when the store is closed: no step may still be in it, and none may begin.
    @Test func nothingRunsAfterStop() {
        let worker = BackgroundWorker(label: "pmemkv.test")
        let steps = SharedCount()
        worker.ask {
            usleep(1000)
            steps.add()
            return true
        }
        while steps.value < 3 { usleep(100) }
        worker.stop()
        let before = steps.value
        worker.ask {
            steps.add()
            return false
        }
        usleep(5000)
        #expect(steps.value == before)
    }

    /// Whoever asks while a job is about to end is not forgotten: a step that begins after the
    /// asking sees what it was asked for.
    @Test func askingIsNeverLost() {
        let worker = BackgroundWorker(label: "pmemkv.test")
        let wanted = SharedCount()
        let seen = SharedCount()
        for _ in 0..<2000 {
            wanted.add()
            worker.ask {
                while seen.value < wanted.value { seen.add() }
                return false
            }
        }
        for _ in 0..<5000 where seen.value < wanted.value { usleep(1000) }
        worker.stop()
        #expect(seen.value == wanted.value)
    }
}
