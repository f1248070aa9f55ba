import CPmem

/// Writing the index's checkpoint.
extension Engine {
    /// Writes the index into an extent of its own and names it in the superblock, if there is
    /// room for it (I12). The caller is the only user of the engine.
    func writeCheckpoint() throws(StoreError) {
        let length = index.checkpointLayout(segmentCount: geometry.segmentCount).length
        let span = (length + geometry.segmentSize - 1) / geometry.segmentSize
        guard span <= 0xFFFF, let segment = try takeForCheckpoint(span: span) else { return }
        let draft = unsafe CheckpointDraft(
            index.image(), coverage: (0..<geometry.segmentCount).map(coverage),
            nextSequence: SequenceNumber(self[.nextSequence]),
            salt: segments.states[segment].salt)
        let start = geometry.offset(ofSegment: segment)
        unsafe draft.forEachPart { bytes, offset in
            unsafe medium.copy(bytes, to: start + offset, site: .checkpoint)
        }
        try medium.drain(site: .checkpointDrain)
        let old = checkpointSegment
        let generation = unsafe segments.states[segment].life.generation
        try superblock.update(medium) {
            $0.checkpoint_segment = UInt64(segment)
            $0.checkpoint_generation = UInt64(generation)
            $0.checkpoint_length = UInt64(length)
        }
        checkpointSegment = segment
        if old >= 0 { try segments.release(old) }
    }

    /// An extent for a checkpoint. In a pool full of superseded records compaction makes room
    /// first, as far as that costs little more than the checkpoint itself; a pool full of live
    /// ones keeps its reserve and goes without.
    private func takeForCheckpoint(span: Int) throws(StoreError) -> Int? {
        let reserve = options.compactionReserve + options.deleteReserve
        for _ in 0..<(2 * span + 4) {
            if let segment = try segments.take(
                span: span, reserve: reserve, state: .checkpoint)
            {
                return segment
            }
            if segments.freeCount >= span + reserve {
                guard try emptyWindow(span: span) else { break }
            } else {
                guard try compactOne(minimumGain: geometry.segmentUnits / 4) else { break }
                _ = try reclaimLimbo()
            }
        }
        return nil
    }

    private func coverage(of segment: Int) -> ExtentCoverage {
        let state = unsafe segments.states[segment]
        var covered = 0
        switch state.phase {
        case .sealed, .quarantined: covered = Int(state.endUnits)
        case .open:
            for number in 0...headCount {
                let head = unsafe heads[number]
                if head.segment == segment { covered = head.position }
            }
        case .free, .limbo, .checkpoint, .continuation: break
        }
        return ExtentCoverage(
            generation: state.life.generation, covered: Units(covered),
            live: Units(max(0, segments.liveUnits(segment))),
            tombstones: Units(Int(segments.value(segment, .tombstoneUnits))),
            oldestDead: SequenceNumber(segments.value(segment, .oldestDead)))
    }
}
