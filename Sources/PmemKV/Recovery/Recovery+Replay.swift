/// Rebuilding the index from the log.
///
/// Extents are replayed in any order and in parallel: the higher sequence number wins. Tombstones
/// stand in the index meanwhile, so that an older put that comes later finds them.
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
        let found = contents
        let outcomes = try inParallel(work.count, threads: threads) { slot throws(StoreError) in
            try replay.apply(
                found[slot], of: work[slot], covered: checkpoint.covered(work[slot]))
        }
        var highest = SequenceNumber.zero
        for (extent, outcome) in zip(work, outcomes) {
            highest = max(highest, outcome.contents.maximumSequence)
            collect(outcome, extent)
        }
        for (hash, location) in outcomes.lazy.flatMap(\.tombstones) {
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

    private mutating func collect(_ outcome: Replay.Outcome, _ extent: SegmentNumber) {
        let contents = outcome.contents
        report.damagedRecords += contents.damagedValues.count
        if contents.usedSummary {
            report.summaryRecords += outcome.applied
        } else {
            report.scannedRecords += outcome.applied
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
