// Each crash seals the open extents where they stand. A pool that crashed after every few puts was
// full when all its segments were sealed, nearly empty: compaction took only extents with dead
// records in them. Now it puts nearly empty ones together.

import Glibc
import PmemKV
import Testing

@Suite("Sparse extents")
struct SparseExtentTests {
    @Test("A pool is not full because it crashed often")
    func crashes() throws {
        let path = "/tmp/pmemkv-sparse-\(getpid()).pool"
        unlink(path)
        defer { unlink(path) }
        try PmemStore.create(at: path, options: CreateOptions(size: 1 << 20)).close()
        for round in 0..<100 {
            let store = try PmemStore.open(at: path)
            #expect(store.count == round)
            try store.put("value \(round)", forKey: "key \(round)")
            store.abandon()
        }
        let store = try PmemStore.open(at: path)
        for round in 0..<100 {
            #expect(try store.get("key \(round)") == Array("value \(round)".utf8))
        }
        try store.compact()
        #expect(store.statistics.freeSegments >= store.statistics.segments - 4)
        try store.close()
        #expect(try PmemStore.check(at: path).isSound)
    }
}
