/// Atomic batches.
///
/// I11: the records of a batch have consecutive sequence numbers and a count of those still to
/// come. Recovery takes the batch only when it has seen the record with none to come. One fence
/// covers a batch that fits the open segment of its head; one that goes on to other segments takes
/// three (see Log+Spanning).
extension Engine {
    func apply(_ batch: WriteBatch, relaxed: Bool) throws(StoreError) {
        try gate.checkWritable()
        guard !batch.isEmpty else { return }
        guard batch.count <= Int(UInt32.max) else {
            throw StoreError(.invalidArgument, "a batch has at most \(UInt32.max) entries")
        }
        try batch.bytes.withByteView { bytes throws(StoreError) in
            var sources = try self.sources(of: batch, in: bytes)
            self.keepLastOfEachKey(&sources)
            // Records that need an extent of their own come first: the batch ends in the open one.
            let alone = sources.filter { self.log.isAlone($0.units) }
            if !alone.isEmpty {
                sources = alone + sources.filter { !self.log.isAlone($0.units) }
            }
            try self.write(sources, relaxed: relaxed)
        }
    }

    private func sources(
        of batch: WriteBatch, in bytes: ByteView
    ) throws(StoreError) -> [RecordSource] {
        var sources: [RecordSource] = []
        sources.reserveCapacity(batch.count)
        for entry in batch.entries {
            let valueStart = entry.keyStart + entry.keyLength
            let key = bytes.slice(entry.keyStart..<valueStart)
            let value = bytes.slice(valueStart..<(valueStart + entry.valueLength))
            if entry.kind.isFound { try check(key, value) } else { try check(key) }
            sources.append(
                RecordSource(kind: entry.kind, hash: records.hash(key), key: key, value: value))
        }
        return sources
    }

    /// Leaves the last entry of each key: two records of one key in a batch would make the order
    /// of publishing matter. O(n log n), for entries of one key as well.
    private func keepLastOfEachKey(_ sources: inout [RecordSource]) {
        let order = sources.indices.sorted {
            (sources[$0].hash, $0) < (sources[$1].hash, $1)
        }
        let haveTwins = (1..<order.count).contains {
            sources[order[$0 - 1]].hash == sources[order[$0]].hash
        }
        guard haveTwins else { return }
        var isSuperseded = [Bool](repeating: false, count: sources.count)
        var start = 0
        while start < order.count {
            let hash = sources[order[start]].hash
            let run = order[start...].prefix { sources[$0].hash == hash }
            // From the last one back: the keys of one hash that were met. Hardly ever two.
            var kept: [Int] = []
            for number in run.reversed() {
                if kept.contains(where: { sources[$0].key.hasSameBytes(as: sources[number].key) }) {
                    isSuperseded[number] = true
                } else {
                    kept.append(number)
                }
            }
            start = run.endIndex
        }
        sources = zip(sources, isSuperseded).filter { !$0.1 }.map(\.0)
    }

    /// The shards that hold these keys, each once, ascending.
    private func shards(of sources: [RecordSource]) -> [ShardNumber] {
        var shards: [ShardNumber] = []
        shards.reserveCapacity(sources.count)
        for shard in sources.map({ index.shape.shard(of: $0.hash) }).sorted()
        where shard != shards.last {
            shards.append(shard)
        }
        return shards
    }

    private func write(_ sources: [RecordSource], relaxed: Bool) throws(StoreError) {
        let head = try space.acquireHead(forBatch: sources)
        let shards = shards(of: sources)
        for shard in shards { index.lock(ofShard: shard).lock() }
        defer { for shard in shards.reversed() { index.lock(ofShard: shard).unlock() } }
        var wanted: [RecordSource] = []
        for source in sources {
            let isThere = try records.locate(source.key, source.hash) != nil
            if source.kind.isFound || leavesTombstone(of: isThere, promised: true) {
                wanted.append(source)
            }
        }
        guard !wanted.isEmpty else { return try log.giveBackSpares(head) }
        let locations = try append(wanted, to: head, relaxed: relaxed)
        for shard in shards { index.beginPublishing(shard) }
        defer { for shard in shards { index.endPublishing(shard) } }
        for (source, location) in zip(wanted, locations) { try publish(source, at: location) }
    }

    private func append(
        _ sources: [RecordSource], to head: consuming OwnedHead, relaxed: Bool
    ) throws(StoreError) -> [Location] {
        let first = try log.sequences.take(sources.count)
        // What needs several extents is sealed at once, so it is made durable at once.
        let relaxed = relaxed && !head.isSpanning
        let locations = try log.appendBatch(sources, first: first, to: head, relaxed: relaxed)
        try log.finishWrite(head, relaxed: relaxed)
        return locations
    }
}
