import PmemKV
import PmemKVTesting
import Testing

@Suite("Seals behind a close")
struct ClosedSealTests {
    /// A thread wrote a value longer than a segment, which sealed its extent, and did nothing more.
    /// Another one closed the store. Its drain did not cover the first one's seal: the machine lost
    /// power, and the pool that had been closed cleanly had an open extent in which damage would
    /// have passed for a torn tail.
    @Test("Another thread's close makes a seal durable")
    func close() throws {
        var shape = PoolShape()
        shape.segments = 8
        let medium = SimulatedMedium(size: shape.poolSize, model: .direct)
        medium.reset(to: nil)
        let store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
        medium.thread = 1
        try store.put([UInt8](repeating: 7, count: 3000), forKey: Array("long".utf8))
        medium.thread = 0
        try store.close()
        medium.settle()
        let reopened = try PmemStore.open(on: medium, options: shape.options)
        #expect(reopened.recoveryReport.wasClean)
        #expect(try reopened.structure().unprovenTails == 0)
        try reopened.close()
    }
}
