import Glibc
import Testing

@testable import PmemKV

@Suite("Prefaulter")
struct PrefaulterTests {
    /// A pool prepares ahead of the writer, and each segment once.
    ///
    /// Where the kernel writes back it did not: of a new pool each round of the disk met blocks
    /// that were the file's by name only, and waited for the file system's journal. Sixteen writers
    /// got 4,000 puts a second where they had 107,000 once the log had gone round.
    @Test(arguments: [IOPath.automatic, .mapped, .syscalls])
    func segmentsAreReadyBeforeTheyAreTaken(io: IOPath) throws {
        let pool = TemporaryPool()
        var store = try pool.create(2 << 20, segmentSize: 64 << 10) { $0.io = io }
        defer { store.abandon() }
        var segments = store.engine.log.segments
        let all = segments.geometry.segments
        try store.put("value", forKey: "key")
        let open = try #require(all.last { segments.phase($0) == .open })
        for _ in 0..<2000 where !segments.isPrepared(open + 2) { usleep(1000) }
        #expect(segments.isPrepared(open + 1))
        #expect(segments.isPrepared(open + 2))
        #expect(!segments.isPrepared(open + 3))

        // The mapping of the next process is new, and has to be prepared anew; blocks stay written.
        func put() throws { try store.put([UInt8](repeating: 1, count: 30_000), forKey: "long") }
        while all.contains(where: { segments.life($0).generation == 0 }) { try put() }
        try store.close()
        store = try pool.open { $0.io = io }
        segments = store.engine.log.segments
        for _ in 0..<8 { try put() }
        segments.stopPrefaulting()
        let isDirect = [.flushAndFence, .fenceOnly].contains(store.mediumInfo.strategy)
        #expect(all.contains(where: segments.isPrepared) == isDirect)
    }
}
