/// The index's checkpoint: an extent that holds what recovery would otherwise have to replay.
extension Space {
    /// Writes the index into an extent of its own and names it in the superblock, if there is
    /// room for it (I12). The caller is the only user of the store.
    func writeCheckpoint() throws(StoreError) {
        let geometry = segments.geometry
        let tables = records.tables
        let highest = tables.highestNumber
        let length = index.checkpointLayout(
            segmentCount: segments.count, tables: highest
        ).length
        let span = (length + geometry.segmentSize - 1) / geometry.segmentSize
        guard span <= LifeWord.maximumSpan, let extent = try takeForCheckpoint(span: span) else {
            return
        }
        let draft = unsafe CheckpointDraft(
            index.image(), coverage: segments.all.map(coverage),
            tables: (0..<highest).map { tables.count(TableNumber(UInt16($0 + 1))) },
            nextSequence: log.sequences.upcoming, salt: segments.salt(extent))
        let start = geometry.offset(of: extent)
        draft.forEachPart { bytes, offset in
            log.medium.copy(bytes, to: start + offset, site: .checkpoint)
        }
        try log.medium.drain(site: .checkpointDrain)
        let old = checkpoint
        try log.root.update { block in
            block.checkpoint = Superblock.CheckpointName(
                segment: UInt64(extent.rawValue),
                generation: UInt64(segments.life(extent).generation), length: UInt64(length))
            return true
        }
        checkpoint = extent
        if let old { try free(old) }
    }

    /// An extent for a checkpoint. In a pool full of superseded records compaction makes room
    /// first, as far as that costs little more than the checkpoint itself; a pool full of live
    /// ones keeps its reserve and goes without.
    private func takeForCheckpoint(span: Int) throws(StoreError) -> SegmentNumber? {
        let reserve = reserve(for: .records)
        let gain = Units(segments.geometry.segmentUnits.count / 4)
        for _ in 0..<(2 * span + 4) {
            if let extent = try take(span: span, reserve: reserve, state: .checkpoint) {
                return extent
            }
            if segments.freeCount >= span + reserve {
                guard try emptyWindow(span: span) else { break }
            } else {
                guard try compactOne(minimumGain: gain, minimumSlack: gain) else { break }
                try reclaimLimbo()
            }
        }
        return nil
    }

    private func coverage(of segment: SegmentNumber) -> ExtentCoverage {
        var covered = Units.zero
        switch segments.phase(segment) {
        case .sealed, .quarantined: covered = segments.sealedEnd(segment)
        case .open:
            for head in log.allHeads where head.lastSeenExtent == segment {
                covered = head.own().position
            }
        case .free, .limbo, .checkpoint, .continuation: break
        }
        return ExtentCoverage(
            generation: segments.life(segment).generation, covered: covered,
            live: max(.zero, liveness.liveUnits(segment)),
            tombstones: liveness.tombstoneUnits(segment),
            oldestDead: liveness.lowestDead(in: segment))
    }

    /// Gives the checkpoint's space back; the next open replays the log instead. Compaction lock
    /// held.
    func dropCheckpoint() throws(StoreError) -> Bool {
        guard let extent = checkpoint else { return false }
        _ = try gate.failing { () throws(StoreError) in
            try log.root.update { block in
                block.checkpoint = nil
                return true
            }
        }
        checkpoint = nil
        try free(extent)
        return true
    }
}
