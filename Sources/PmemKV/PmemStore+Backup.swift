import Glibc

extension PmemStore {
    /// Writes all keys and values, as of one moment, into a new pool of the same geometry.
    ///
    /// Writers wait only while the moment is being fixed (a few nanoseconds a key); what they
    /// write afterwards is not part of the backup. The new pool is complete and durable when this
    /// returns, and does not exist when it throws.
    ///
    /// - Throws: `alreadyExists`, `cannotCreate`, `corrupt` when a record is damaged, and what a
    ///   put throws.
    public func backup(to path: String) throws(StoreError) {
        let geometry = engine.geometry
        let target = try PmemStore.create(
            at: path,
            options: CreateOptions(size: geometry.poolSize, segmentSize: geometry.segmentSize))
        do throws(StoreError) {
            try engine.withSnapshot { locations throws(StoreError) in
                for location in locations {
                    let copied: Void? = try engine.withRecord(at: location) {
                        record throws(StoreError) in
                        try engine.verify(record)
                        try target.put(record.value, forKey: record.key, durability: .relaxed)
                    }
                    if copied == nil { throw StoreError(.corrupt, "the index names no record") }
                }
            }
            try target.close()
        } catch {
            try? target.close()
            unlink(path)
            throw error
        }
    }
}

extension Engine {
    /// Gives body the locations of all records as of one moment; they stay readable while it
    /// runs.
    ///
    /// All shards are locked at once, so no write and no batch is half in it; the epoch keeps
    /// superseded records from being reused.
    func withSnapshot<R>(
        _ body: ([Location]) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        try epochs.reading { () throws(StoreError) -> R in
            try checkReadable()
            var locations: [Location] = []
            locations.reserveCapacity(index.count + index.count / 8)
            for shard in index.shards { index.lock(ofShard: shard).lock() }
            index.forEachLocation { locations.append($0) }
            for shard in index.shards.reversed() { index.lock(ofShard: shard).unlock() }
            return try body(locations)
        }
    }
}
