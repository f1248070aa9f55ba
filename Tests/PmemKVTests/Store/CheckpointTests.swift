import Testing

@testable import PmemKV

@Suite("Checkpoint")
struct CheckpointTests {
    private func options(_ options: inout OpenOptions) {
        options.engine.checkpointThreshold = 100
    }

    @Test func aCleanOpenTakesTheCheckpointAndReplaysWhatCameAfter() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, options)
        for number in 0..<3000 { try store.put("value \(number)", forKey: "key \(number)") }
        try store.close()
        let second = try pool.open(options)
        #expect(second.recoveryReport.usedCheckpoint)
        #expect(second.recoveryReport.checkpointRecords == 3000)
        // Few enough changes that the checkpoint stays as it is.
        for number in 0..<50 { try second.put("new", forKey: "key \(number)") }
        try second.remove("key 60")
        try second.close()
        let third = try pool.open(options)
        #expect(third.recoveryReport.usedCheckpoint)
        #expect(third.recoveryReport.scannedRecords + third.recoveryReport.summaryRecords == 51)
        #expect(try third.get("key 49") == bytes("new"))
        #expect(try third.get("key 60") == nil)
        #expect(try third.get("key 61") == bytes("value 61"))
        #expect(third.count == 2999)
        third.abandon()
        // After a crash the old checkpoint still serves, with the log behind it.
        #expect(try pool.open(options).count == 2999)
    }

    /// Check called every pool damaged that was closed with some ten thousand keys: overflow
    /// buckets of the index that are not in use name one another in words that look like records.
    @Test func bucketsThatAreNotInUseHoldNoRecords() throws {
        let pool = TemporaryPool()
        let store = try pool.create(16 << 20, options)
        for number in 0..<30_000 {
            try store.put("value", forKey: "key \(number)", durability: .relaxed)
        }
        let index = store.engine.index
        #expect(
            index.shards.contains { shard in
                let first = FreeBucketLink(rawValue: index[shard, .freeList].loadRelaxed())
                return first.bucket.map { index.overflow[$0].nextFree.bucket != nil } ?? false
            }, "no list has a link in a bucket")
        try store.close()
        #expect(try PmemStore.check(at: pool.path).isSound)
    }

    /// Compaction frees segments that the checkpoint knows; their items must not come back.
    @Test func itemsOfAnEarlierLifeAreDropped() throws {
        let pool = TemporaryPool()
        let store = try pool.create(256 << 10, segmentSize: 4 << 10) { options(&$0) }
        var model: [String: Int] = [:]
        for number in 0..<300 {
            try store.put("0", forKey: "key \(number)")
            model["key \(number)"] = 0
        }
        try store.close()
        for round in 1...4 {
            let again = try pool.open {
                options(&$0)
                $0.engine.checkpointThreshold = round.isMultiple(of: 2) ? 100 : .max
            }
            for number in 0..<8000 {
                let key = "key \(number % 400)"
                if (number + round) % 7 == 0 {
                    try again.remove(key)
                    model[key] = nil
                } else {
                    try again.put("\(number)", forKey: key)
                    model[key] = number
                }
            }
            #expect(again.statistics.compactions > 0)
            if round == 3 { again.abandon() } else { try again.close() }
            let check = try pool.open { $0.readOnly = true }
            #expect(check.count == model.count)
            for (key, number) in model { #expect(try check.get(key) == bytes("\(number)")) }
            try check.close()
        }
    }

    /// A checkpoint is a cache: when the pool needs its space it is given up.
    @Test func aFullPoolGivesTheCheckpointUp() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10, options)
        for number in 0..<1000 { try store.put("value", forKey: "key \(number)") }
        try store.close()
        let again = try pool.open(options)
        #expect(again.statistics.checkpointBytes > 0)
        var stored = 0
        #expect(throws: StoreError.self) {
            while true {
                try again.put([UInt8](repeating: 1, count: 500), forKey: "more \(stored)")
                stored += 1
            }
        }
        #expect(again.statistics.checkpointBytes == 0)
        again.abandon()
        #expect(try pool.open().count == 1000 + stored)
    }

    /// A pool of which most is superseded had no room for a checkpoint, although compaction could
    /// have made it: the next open replayed every old version, a hundred times slower.
    @Test func garbageDoesNotKeepTheCheckpointOut() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 4 << 10, options)
        for number in 0..<21_000 { try store.put("\(number)", forKey: "key \(number % 3000)") }
        let full = store.statistics
        #expect(full.freeSegments < 10)
        try store.close()
        let again = try pool.open(options)
        #expect(again.recoveryReport.usedCheckpoint)
        #expect(again.count == 3000)
        for number in 0..<3000 {
            #expect(try again.get("key \(number)") == bytes("\(number + 18_000)"))
        }
    }
}
