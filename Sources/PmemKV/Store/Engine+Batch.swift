/// Atomic batches.
///
/// I11: the records of a batch have consecutive sequence numbers and a count of those still to
/// come. Recovery takes the batch only when it has seen the record with none to come. One fence
/// covers a batch that fits the open segment of its head; one that goes on to other segments takes
/// three (see Log+Spanning).
extension Engine {
    /// Writes a batch, if the conditions hold at that moment. Returns whether they did.
    ///
    /// - Complexity: O(entries) plus the bytes; one fence, three when the batch goes on to other
    ///   segments.
    @discardableResult
    func apply(
        _ batch: WriteBatch, relaxed: Bool, if conditions: Conditions? = nil
    ) throws(StoreError) -> Bool {
        if batch.isEmpty, let conditions { return try holdNow(conditions) }
        try gate.checkWritable()
        guard !batch.isEmpty else { return true }
        guard batch.count <= Int(UInt32.max) else {
            throw StoreError(.invalidArgument, "a batch has at most \(UInt32.max) entries")
        }
        while true {
            let isDone = try batch.withBytes { bytes throws(StoreError) in
                try self.apply(batch, bytes, relaxed: relaxed, if: conditions)
            }
            if let isDone { return isDone }
        }
    }

    /// The same with the tables as they are; nil, and nothing is written, when one of them was
    /// changed before all was locked.
    private func apply(
        _ batch: WriteBatch, _ bytes: ByteView, relaxed: Bool, if conditions: Conditions?
    ) throws(StoreError) -> Bool? {
        let tables = try tables(for: batch)
        var conditions = conditions
        // What was seen empty because it was not there is seen empty as it is now.
        if !tables.made.isEmpty { conditions?.adopt(tables.made, seed: index.seed) }
        var sources = BatchSources(capacity: batch.count)
        for entry in batch.entries {
            let (key, value) = (entry.key(in: bytes), entry.value(in: bytes))
            if entry.kind.isFound { try check(key, value) } else { try check(key) }
            // Of a table that is not there nothing has to be removed.
            guard let key = tables.key(key, of: entry) else { continue }
            let hash = records.hash(key)
            let bucket = index.likelyBucket(of: hash)
            if sources.count < Self.bucketLookahead { bucket.prefetch() }
            sources.append(
                RecordSource(kind: entry.kind, hash: hash, key: key, value: value),
                bucket: bucket)
        }
        if sources.count > 1 { sources.keepLastOfEachKey() }
        do throws(StoreError) {
            return try write(&sources, relaxed: relaxed, if: conditions, tables)
        } catch {
            // Room is looked for first, and is of no interest for what is not to be written.
            guard [.outOfSpace, .heldBack].contains(error.code), let conditions,
                try !holdNow(conditions)
            else { throw error }
            return false
        }
    }

    private func write(
        _ sources: inout BatchSources, relaxed: Bool, if conditions: Conditions?,
        _ tables: BatchTables
    ) throws(StoreError) -> Bool? {
        let demand = sources.demand(index.shape, log)
        // Records that need an extent of their own come first: the batch ends in the open one.
        if log.isAlone(demand.longest) { sources.putFirst { log.isAlone(log.room(for: $0)) } }
        let use: Space.Use = demand.removals == sources.count ? .tombstones : .records
        let head = try space.acquireHead(units: demand.units, entries: sources.count, for: use) {
            sources.items.map { log.room(for: $0.source) }
        }
        let shards = conditions.map { union(demand.shards, $0) } ?? demand.shards
        shards.forEach { index.lock(ofShard: $0).lock() }
        defer { shards.forEach { index.lock(ofShard: $0).unlock() } }
        guard tables.areCurrent(self.tables) else {
            try log.giveBackSpares(head)
            return nil
        }
        var areMet = true
        try givingBack(head) { () throws(StoreError) in
            areMet = try conditions.map(hold) ?? true
            if areMet, demand.removals > 0 { try leaveOutRemovals(from: &sources) }
        }
        guard areMet, sources.count > 0 else {
            try log.giveBackSpares(head)
            return areMet
        }
        let first = try append(&sources, to: head, relaxed: relaxed)
        index.beginPublishing(demand.shards)
        ordered?.trusted.beginBatch()
        defer {
            ordered?.trusted.endBatch()
            index.endPublishing(demand.shards)
        }
        try lookUp(sources) { number, item throws(StoreError) in
            try publish(
                item.source, at: Written(location: item.location, sequence: first + number))
        }
        return true
    }

    /// Leaves out the removals that need no record. Shards locked.
    private func leaveOutRemovals(from sources: inout BatchSources) throws(StoreError) {
        prefetchFirstRecords(of: sources)
        var isNeedless = [Bool](repeating: false, count: sources.count)
        try lookUp(sources) { number, item throws(StoreError) in
            let source = item.source
            guard !source.kind.isFound else { return }
            let isThere = try records.locate(source.key, source.hash) != nil
            isNeedless[number] = !leavesTombstone(of: isThere, promised: true)
        }
        if isNeedless.contains(true) { sources.remove(where: isNeedless) }
    }

    private static let bucketLookahead = 20
    private static let recordLookahead = 8

    /// Calls body with each record, while the buckets of later ones, and the records that they
    /// lead to, are on their way to the processor; those of the first are already.
    @inline(__always)
    private func lookUp(
        _ sources: BatchSources, _ body: (Int, BatchSources.Item) throws(StoreError) -> Void
    ) throws(StoreError) {
        let items = sources.items
        for (number, item) in items.enumerated() {
            if number &+ Self.bucketLookahead < items.count {
                items[number &+ Self.bucketLookahead].bucket.prefetch()
            }
            if number &+ Self.recordLookahead < items.count {
                prefetchRecord(of: items[number &+ Self.recordLookahead])
            }
            try body(number, item)
        }
    }

    @inline(__always)
    private func prefetchRecord(of item: BatchSources.Item) {
        records.prefetchRecord(item.source.hash, in: item.bucket)
    }

    private func prefetchFirstRecords(of sources: BatchSources) {
        for item in sources.items.prefix(Self.recordLookahead) { prefetchRecord(of: item) }
    }

    /// Appends the records and makes them durable, unless relaxed. Returns the first one's number.
    private func append(
        _ sources: inout BatchSources, to head: consuming OwnedHead, relaxed: Bool
    ) throws(StoreError) -> SequenceNumber {
        let count = sources.count
        let first = try sequences.take(count)
        // What needs several extents is sealed at once, so it is made durable at once.
        let relaxed = relaxed && !head.isSpanning
        log.beginWrite(to: head, relaxed: relaxed)
        for number in 0..<count {
            let source = sources[number]
            let remaining = UInt32(truncatingIfNeeded: count - 1 - number)
            if head.isSpanning { try log.goOn(head, for: source, isLast: remaining == 0) }
            let location = log.append(
                source, sequence: first + number, batchRemaining: remaining, to: head,
                deferred: relaxed)
            sources.place(number, at: location)
        }
        // What publishing looks at first comes while the records are on their way to the medium.
        prefetchFirstRecords(of: sources)
        try log.finishWrite(head, relaxed: relaxed)
        return first
    }
}
