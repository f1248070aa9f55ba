/// Rebuilding the index from the log.
///
/// Extents are replayed in any order, each part of the index's shards by a thread of its own: the
/// higher sequence number wins. Tombstones stand in the index meanwhile, so that an older put that
/// comes later finds them.
extension Recovery {
    mutating func replay() throws(StoreError) {
        let work = geometry.segments.filter(needsReplay)
        let threads = work.count < 8 ? 1 : options.recoveryThreads
        let replay = Replay(
            log: log, records: records, liveness: liveness, reader: reader)
        let checkpoint = checkpoint
        var contents = try inParallel(work.count, threads: threads) { slot throws(StoreError) in
            try replay.contents(of: work[slot], covered: checkpoint.covered(work[slot]))
        }
        let open = work.indices.filter { segments.phase(work[$0]) == .open }
        let batches = SpanningBatches(in: open.map { contents[$0] })
        for slot in open { batches.settle(&contents[slot]) }
        let extents = zip(work, contents).map {
            Replay.Work(extent: $0, contents: $1, covered: checkpoint.covered($0))
        }
        let censuses = try inParallel(work.count, threads: threads) { replay.count(extents[$0]) }
        if !checkpoint.isLoaded { records.index.grow(to: expectedKeys(censuses)) }
        let parts = min(threads, records.index.shards.count)
        let tombstones = try inParallel(parts, threads: parts) { part throws(StoreError) in
            try replay.apply(extents, part: part, of: parts)
        }
        var highest = SequenceNumber.zero
        for (extent, census) in zip(extents, censuses) {
            highest = max(highest, extent.contents.maximumSequence)
            collect(extent, applied: census.applied)
        }
        for (hash, location) in tombstones.joined() {
            if let place = records.index.place(of: hash, holding: location) {
                records.index.remove(place, of: hash)
            }
        }
        log.sequences.begin(at: firstSequence(above: highest))
    }

    private func needsReplay(_ segment: SegmentNumber) -> Bool {
        switch segments.phase(segment) {
        case .open: true
        case .sealed: checkpoint.covered(segment) < segments.sealedEnd(segment)
        case .free, .quarantined, .limbo, .checkpoint, .continuation: false
        }
    }

    /// Keys that the index will hold, by the different ones of a shard.
    private func expectedKeys(_ censuses: [Replay.Census]) -> Int {
        Set(censuses.lazy.flatMap(\.sample)).count * records.index.shards.count
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
