/// Reading what a snapshot sees.
extension RecordIndex {
    /// A snapshot of what is complete now, for reads of keys in a range of a table.
    ///
    /// - Complexity: O(shards), some nanoseconds each; waits for writes under way.
    func beginSnapshot(
        of range: KeyRange, in table: TableNumber
    ) throws(StoreError) -> LivingSnapshot {
        try gate.checkReadable()
        let scope = LivingSnapshot.Scope(table: table, range: range)
        let snapshot = snapshots.begin(tables: nil, scope: scope, isFixed: gate.isReadOnly)
        // Writers with lower numbers hold their shards since before they took them.
        index.awaitWriters()
        return snapshot
    }

    /// The same of everything, and how many keys there are.
    ///
    /// - Complexity: O(shards): all are locked for a moment.
    func beginCountedSnapshot() throws(StoreError) -> LivingSnapshot {
        try gate.checkReadable()
        for shard in index.shards { index.lock(ofShard: shard).lock() }
        defer { for shard in index.shards { index.lock(ofShard: shard).unlock() } }
        let seen = SeenTables(
            tables, unnamed: unnamedTable, unnamedKeys: index.count - tables.otherItems)
        return snapshots.begin(tables: seen, scope: nil, isFixed: gate.isReadOnly)
    }

    /// Gives the record of a key that a snapshot sees, or without one the newest, to body,
    /// verified, or returns nil when there is none.
    @inline(__always)
    func withRecord<R>(
        _ key: TableKey, _ hash: KeyHash, seenBy snapshot: LivingSnapshot?,
        _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        guard let snapshot else { return try withRecord(key, hash, body) }
        return try withSeenRecord(key, hash, snapshot, body)
    }

    /// What the index names below the snapshot's number is it. Whoever is about to supersede that
    /// has it kept first: so what is not found in the index by then is found there.
    @inline(never)
    private func withSeenRecord<R>(
        _ key: TableKey, _ hash: KeyHash, _ snapshot: LivingSnapshot,
        _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try check(snapshot)
        let current = try withRecord(key, hash) { record throws(StoreError) -> R? in
            record.sequence < snapshot.number ? try body(record) : nil
        }
        if let current = current ?? nil { return current }
        SchedulingPoint.pass()
        let kept = try withKeptRecord(key, hash, seenBy: snapshot, body)
        // It is taken from the snapshot only when that has ended.
        if kept == nil { try check(snapshot) }
        return kept
    }

    private func withKeptRecord<R>(
        _ key: TableKey, _ hash: KeyHash, seenBy snapshot: LivingSnapshot,
        _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try epochs.reading { () throws(StoreError) -> R? in
            try gate.checkReadable()
            for location in snapshots.locations(of: hash, seenBy: snapshot) {
                let result = try log.withRecord(at: location) {
                    record throws(StoreError) -> R? in
                    guard record.hasKey(key) || !record.knowsKey else { return nil }
                    guard mayBeShown(record), record.hasKey(key) else {
                        throw log.damage(record)
                    }
                    guard record.sequence >= key.floor else { return nil }
                    let result = try body(record)
                    try self.checkStillThere(record)
                    return result
                }
                if let result { return result }
            }
            return nil
        }
    }

    /// Refuses a snapshot that has ended: what it saw may be gone.
    func check(_ snapshot: LivingSnapshot) throws(StoreError) {
        guard snapshot.hasEnded else { return }
        try gate.checkReadable()
        let reason =
            snapshot.wasEndedForRoom
            ? "the pool would have been full because of what was kept for this scan or snapshot, "
                + "which has ended; begin another one, let it end sooner, or make a larger copy "
                + "with 'pmemkv backup --size'" : "the snapshot has been ended"
        throw StoreError(.snapshotTooOld, reason)
    }
}
