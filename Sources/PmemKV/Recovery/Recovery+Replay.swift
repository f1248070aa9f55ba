/// Rebuilding the index from the log.
///
/// Extents are read in any order, and their records sorted by the part of the index that they
/// belong to; then each part is filled by one thread at a time, while it is in its processor's
/// cache. The higher sequence number wins. Tombstones stand in the index meanwhile, so that an
/// older put that comes later finds them.
extension Recovery {
    mutating func replay() throws(StoreError) {
        let extents = segments.all.filter(needsReplay)
        let threads = extents.count < 8 ? 1 : options.recoveryThreads
        let replay = try Replay(
            log: log, records: records, liveness: liveness, reader: reader, extents: extents)
        let checkpoint = checkpoint
        var work = try inParallel(extents.count, threads: threads) { slot throws(StoreError) in
            try replay.read(slot, covered: checkpoint.covered(extents[slot]))
        }
        let open = extents.indices.filter { segments.phase(extents[$0]) == .open }
        let batches = SpanningBatches(in: open.map { work[$0].contents })
        for slot in open {
            batches.settle(&work[slot].contents)
            try replay.settle(&work[slot])
        }
        let tables = try fill(work, replay, threads: threads)
        var highest = SequenceNumber.zero
        var lowest = SequenceNumber.none
        for work in work {
            guard let records = work.records else { continue }
            segments.noteAppended(work.extent, .put, records.puts)
            segments.noteAppended(work.extent, .tombstone, records.tombstones)
            highest = max(highest, records.maximumSequence, work.contents.maximumSequence)
            lowest = min(lowest, records.minimumSequence)
            collect(work, applied: records.count)
        }
        log.sequences.begin(at: firstSequence(above: highest))
        try adoptTables(replayed: tables, from: lowest, threads: threads)
    }

    /// Brings the records into the index. Returns how many items each table has more.
    private func fill(
        _ work: [Replay.Work], _ replay: Replay, threads: Int
    ) throws(StoreError) -> [TableNumber: Int] {
        let index = records.index
        try index.grow(to: expectedKeys(work))
        let parts = replay.parts
        let filled = try inParallel(parts, threads: threads) { part throws(StoreError) in
            try replay.apply(work, part: part, of: parts)
        }
        var tombstones = [[(KeyHash, Location)]](repeating: [], count: index.shards.count)
        for (hash, location) in filled.lazy.map(\.tombstones).joined() {
            tombstones[index.shape.shard(of: hash).rawValue].append((hash, location))
        }
        let superfluous = tombstones
        let removed = try inParallel(index.shards.count, threads: threads) {
            number throws(StoreError) in
            try index.settle(
                ShardNumber(number), filled: filled.reduce(0) { $0 + $1.items[number] },
                leavingOut: superfluous[number])
        }
        var tables: [TableNumber: Int] = [:]
        for filled in filled { tables.merge(filled.tables, uniquingKeysWith: +) }
        guard features.contains(.tables) else { return tables }
        for location in removed.joined() {
            try replay.count(location, in: &tables, by: -1)
        }
        return tables
    }

    private func needsReplay(_ segment: SegmentNumber) -> Bool {
        switch segments.phase(segment) {
        case .open: true
        case .sealed: checkpoint.covered(segment) < segments.sealedEnd(segment)
        case .free, .quarantined, .limbo, .checkpoint, .continuation: false
        }
    }

    /// Keys that the index will hold, by the different ones of a shard.
    private func expectedKeys(_ work: [Replay.Work]) throws(StoreError) -> Int {
        let index = records.index
        var new: Set<KeyHash> = []
        for hash in work.lazy.compactMap(\.records?.sample).joined() {
            if try !index.mayHold(hash) { new.insert(hash) }
        }
        return index.count + new.count * index.shards.count
    }

    private mutating func collect(_ work: Replay.Work, applied: Int) {
        let (extent, contents) = (work.extent, work.contents)
        report.damagedRecords += contents.damagedValues.count
        if contents.usedSummary {
            report.summaryRecords += applied
        } else {
            report.scannedRecords += applied
        }
        if segments.phase(extent) == .open {
            open.append((extent, contents))
        } else if !contents.usedSummary {
            report.damagedSummaries += 1
        }
    }

    /// I5: above everything that may stand anywhere. With one superblock copy lost, the limit may
    /// have been raised once more than the other copy knows.
    private func firstSequence(above highest: SequenceNumber) -> SequenceNumber {
        let next = max(log.sequences.upcoming, highest + 1)
        return report.damagedSuperblocks.isEmpty ? next : next + 2 * Int(options.sequenceStep)
    }
}
