/// Atomic batches.
///
/// I11: the records of a batch have consecutive sequence numbers and a count of those still to
/// come. Recovery takes the batch only when it has seen the record with none to come. One fence
/// covers a batch that fits the open segment of its head; one that goes on to other segments takes
/// three (see Log+Spanning).
extension Engine {
    /// - Complexity: O(entries) plus the bytes; one fence, three when the batch goes on to other
    ///   segments.
    func apply(_ batch: WriteBatch, relaxed: Bool) throws(StoreError) {
        try gate.checkWritable()
        guard !batch.isEmpty else { return }
        guard batch.count <= Int(UInt32.max) else {
            throw StoreError(.invalidArgument, "a batch has at most \(UInt32.max) entries")
        }
        try batch.bytes.withByteView { bytes throws(StoreError) in
            var hashes: [KeyHash] = []
            hashes.reserveCapacity(batch.count)
            for entry in batch.entries {
                let key = entry.key(in: bytes)
                if entry.kind.isFound {
                    try check(key, entry.value(in: bytes))
                } else {
                    try check(key)
                }
                hashes.append(records.hash(key))
            }
            var sources = BatchSources(batch, in: bytes, hashes: hashes)
            sources.keepLastOfEachKey()
            try self.write(&sources, relaxed: relaxed)
        }
    }

    private func write(_ sources: inout BatchSources, relaxed: Bool) throws(StoreError) {
        let demand = sources.demand(index.shape, log)
        // Records that need an extent of their own come first: the batch ends in the open one.
        if log.isAlone(demand.longest) { sources.putFirst { log.isAlone(log.room(for: $0)) } }
        let use: Space.Use = demand.removals == sources.count ? .tombstones : .records
        let head = try space.acquireHead(units: demand.units, entries: sources.count, for: use) {
            sources.map(log.room)
        }
        for shard in demand.shards { index.lock(ofShard: shard).lock() }
        defer { for shard in demand.shards { index.lock(ofShard: shard).unlock() } }
        if demand.removals > 0 { try leaveOutRemovals(from: &sources) }
        guard sources.count > 0 else { return try log.giveBackSpares(head) }
        let locations = try append(sources, to: head, relaxed: relaxed)
        index.beginPublishing(demand.shards)
        ordered?.beginBatch()
        defer {
            ordered?.endBatch()
            index.endPublishing(demand.shards)
        }
        try lookUp(sources) { number, source throws(StoreError) in
            try publish(source, at: locations[number])
        }
    }

    /// Leaves out the removals that need no record. Shards locked.
    private func leaveOutRemovals(from sources: inout BatchSources) throws(StoreError) {
        var isNeedless = [Bool](repeating: false, count: sources.count)
        try lookUp(sources) { number, source throws(StoreError) in
            guard !source.kind.isFound else { return }
            let isThere = try records.locate(source.key, source.hash) != nil
            isNeedless[number] = !leavesTombstone(of: isThere, promised: true)
        }
        if isNeedless.contains(true) { sources.remove(where: isNeedless) }
    }

    private static let bucketLookahead = 20
    private static let recordLookahead = 8

    /// Calls body with each record, while the buckets of later ones, and the records that they
    /// lead to, are on their way to the processor.
    @inline(__always)
    private func lookUp(
        _ sources: BatchSources, _ body: (Int, RecordSource) throws(StoreError) -> Void
    ) throws(StoreError) {
        let count = sources.count
        for number in 0..<min(count, Self.bucketLookahead) { index.prefetch(sources.hash(number)) }
        for number in 0..<min(count, Self.recordLookahead) {
            records.prefetchRecord(sources.hash(number))
        }
        for number in 0..<count {
            if number &+ Self.bucketLookahead < count {
                index.prefetch(sources.hash(number &+ Self.bucketLookahead))
            }
            if number &+ Self.recordLookahead < count {
                records.prefetchRecord(sources.hash(number &+ Self.recordLookahead))
            }
            try body(number, sources[number])
        }
    }

    private func append(
        _ sources: BatchSources, to head: consuming OwnedHead, relaxed: Bool
    ) throws(StoreError) -> [Location] {
        let count = sources.count
        let first = try log.sequences.take(count)
        // What needs several extents is sealed at once, so it is made durable at once.
        let relaxed = relaxed && !head.isSpanning
        log.beginWrite(to: head, relaxed: relaxed)
        var locations: [Location] = []
        locations.reserveCapacity(count)
        for number in 0..<count {
            let source = sources[number]
            let remaining = UInt32(truncatingIfNeeded: count - 1 - number)
            if head.isSpanning { try log.goOn(head, for: source, isLast: remaining == 0) }
            let location = log.append(
                source, sequence: first + number, batchRemaining: remaining, to: head,
                deferred: relaxed)
            locations.append(location)
        }
        try log.finishWrite(head, relaxed: relaxed)
        return locations
    }
}
