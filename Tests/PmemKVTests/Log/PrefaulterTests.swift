import Glibc
import Testing

@testable import PmemKV

@Suite("Prefaulter")
struct PrefaulterTests {
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
