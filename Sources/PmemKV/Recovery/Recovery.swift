import CPmem

/// Rebuilds the index from the log, and makes the pool ready for writing.
///
/// Extents are replayed in any order and in parallel: the higher sequence number wins. Tombstones
/// stand in the index meanwhile, so that an older put that comes later finds them.
struct Recovery {
    let engine: Engine
    let coverage: CheckpointCoverage
    var report: RecoveryReport
    /// Open extents with everything in them, for adoption or sealing.
    private var open: [(segment: Int, contents: ExtentContents)] = []

    init(engine: Engine, coverage: CheckpointCoverage, report: RecoveryReport) {
        self.engine = engine
        self.coverage = coverage
        self.report = report
    }

    private var segments: SegmentMap { engine.segments }

    mutating func run() throws(StoreError) {
        let work = (0..<engine.geometry.segmentCount).filter(needsReplay)
        let threads = work.count < 8 ? 1 : engine.options.recoveryThreads
        let engine = engine
        let coverage = coverage
        let outcomes = try inParallel(work.count, threads: threads) { slot throws(StoreError) in
            try Self.replay(work[slot], engine, coverage)
        }
        var tombstones: [(KeyHash, Location)] = []
        var highest: UInt64 = 0
        var replayed = 0
        for (segment, outcome) in zip(work, outcomes) {
            collect(outcome, segment: segment, &highest, &replayed)
            tombstones.append(contentsOf: outcome.tombstones)
        }
        for (hash, location) in tombstones {
            if let place = engine.index.place(of: hash, holding: location) {
                engine.index.remove(place, of: hash)
            }
        }
        finishSequences(highest)
        engine[.recordsReplayed] = UInt64(replayed)
    }

    private func needsReplay(_ segment: Int) -> Bool {
        switch segments.states[segment].phase {
        case .open: true
        case .sealed: coverage.units[segment] < Int(segments.states[segment].endUnits)
        case .free, .quarantined, .limbo, .checkpoint, .continuation: false
        }
    }

    private mutating func collect(
        _ outcome: Replayed, segment: Int, _ highest: inout UInt64, _ replayed: inout Int
    ) {
        let contents = outcome.contents
        highest = max(highest, contents.maximumSequence)
        replayed += outcome.applied
        report.damagedRecords += contents.damagedValues.count
        if contents.usedSummary {
            report.summaryRecords += outcome.applied
        } else {
            report.scannedRecords += outcome.applied
        }
        if segments.states[segment].phase == .open {
            open.append((segment, contents))
        } else if !contents.usedSummary {
            report.damagedSummaries += 1
        }
    }

    /// I5: above everything that may stand anywhere. With one superblock copy lost, the limit may
    /// have been raised once more than the other copy knows.
    private func finishSequences(_ highest: UInt64) {
        var next = max(engine[.sequenceLimit], highest + 1)
        if !report.damagedSuperblocks.isEmpty { next += 2 * engine.options.sequenceStep }
        engine[.nextSequence] = next
        engine[.sequenceLimit] = next
    }

    // MARK: Replaying one extent

    private struct Replayed {
        var contents: ExtentContents
        var applied = 0
        var tombstones: [(KeyHash, Location)] = []
    }

    private static let lookahead = 12

    private static func replay(
        _ segment: Int, _ engine: Engine, _ coverage: CheckpointCoverage
    ) throws(StoreError) -> Replayed {
        let reader = ExtentReader(engine)
        let state = engine.segments.states[segment]
        let covered = coverage.units[segment]
        let contents =
            state.phase == .sealed
            ? try reader.sealed(segment, endUnits: Int(state.endUnits))
            : try reader.open(segment, from: engine.isReadOnly ? covered : 0)
        if let lost = contents.lost.first { throw reader.damage(segment, lost) }
        var result = Replayed(contents: contents)
        let base = engine.geometry.firstLocation(ofSegment: segment).units
        for (number, entry) in contents.entries.enumerated()
        where Int(entry.offset_units) >= covered {
            // The buckets of later entries load while this one is applied.
            if number + lookahead < contents.entries.count {
                engine.index.prefetch(contents.entries[number + lookahead].hash)
            }
            let location = Location(units: base + UInt64(entry.offset_units))
            try engine.replay(entry, at: location)
            if entry.isTombstone { result.tombstones.append((entry.hash, location)) }
            result.applied += 1
        }
        return result
    }

    // MARK: Before the first write

    /// Seals what a crash left open, or continues it after a clean close; frees checkpoints that
    /// nobody names; marks the pool as in use.
    mutating func makeWritable() throws(StoreError) {
        let mayContinue = report.wasClean && report.damagedSuperblocks.isEmpty
        var head = 0
        if report.wasClean {
            engine.unprovenTails = open.count {
                $0.contents.endUnits != segments.states[$0.segment].provenUnits
            }
        }
        for (segment, contents) in open { try checkRoom(segment, contents) }
        try persistFound()
        try releaseSuperfluous()
        for (segment, contents) in open {
            if mayContinue, head < engine.headCount,
                segments.states[segment].life.span == 1, contents.endUnits > 0
            {
                adopt(segment, contents, into: engine.heads + head)
                head += 1
            } else {
                adopt(segment, contents, into: engine.compactionHead)
                try engine.sealIfOpen(engine.compactionHead)
                report.sealedExtents += contents.endUnits > 0 ? 1 : 0
            }
        }
        let limit = engine[.nextSequence] + engine.options.sequenceStep
        try engine.superblock.update(engine.medium) {
            $0.state = UInt64(CPMEM_POOL_OPEN.rawValue)
            $0.sequence_limit = limit
        }
        engine[.sequenceLimit] = limit
        // Only now: words of this update can complete an older one of the same copy that a crash
        // cut short, and that one may name a checkpoint (I12).
        for segment in 0..<engine.geometry.segmentCount
        where segments.states[segment].phase == .checkpoint
            && segment != engine.checkpointSegment
        {
            try segments.release(segment)
        }
    }

    /// Whoever appends leaves room for the summary. Records without it may have good checksums and are
    /// still nobody's: sealing them would write into the next segment.
    private func checkRoom(_ segment: Int, _ contents: ExtentContents) throws(StoreError) {
        let geometry = engine.geometry
        let end = contents.endUnits + LogHead.summaryUnits(contents.entries.count)
        guard end > segments.states[segment].life.span * geometry.segmentUnits else { return }
        throw StoreError(
            .corrupt,
            """
            the records of the segment at offset \(geometry.offset(ofSegment: segment)) leave no \
            room for its summary, which no store would have written; 'pmemkv repair' salvages \
            what is readable
            """)
    }

    /// What a killed process had stored is visible, but may not be durable: it becomes so before
    /// anything depends on it or is answered from it.
    private func persistFound() throws(StoreError) {
        let geometry = engine.geometry
        for copy in 0..<2 {
            engine.medium.flush(
                at: copy * Int(CPMEM_SUPERBLOCK_STRIDE),
                count: MemoryLayout<cpmem_superblock>.size, site: .recoveryFlush)
        }
        engine.medium.flush(
            at: geometry.tableOffset, count: geometry.segmentCount * Geometry.line,
            site: .recoveryFlush)
        for (segment, contents) in open where contents.endUnits > 0 {
            engine.medium.flush(
                at: geometry.offset(ofSegment: segment), count: contents.endUnits * 64,
                site: .recoveryFlush)
        }
        try engine.medium.drain(site: .recoveryDrain)
    }

    /// Frees the extents of a compaction that a crash cut short when all their records stand
    /// elsewhere as well.
    private mutating func releaseSuperfluous() throws(StoreError) {
        guard !report.wasClean else { return }
        var superfluous = SuperfluousExtents(engine)
        let found = open.filter { superfluous.contains($0.segment, $0.contents) }.map(\.segment)
        open.removeAll { found.contains($0.segment) }
        for segment in found.sorted() { try segments.release(segment) }
    }

    private func adopt(_ segment: Int, _ contents: ExtentContents, into head: LogHeadPointer) {
        let state = segments.states[segment]
        head.pointee.begin(
            segment: segment, span: state.life.span, geometry: engine.geometry, salt: state.salt,
            position: 0)
        for entry in contents.entries {
            head.pointee.position = Int(entry.offset_units)
            head.pointee.note(
                hash: entry.hash, sequence: entry.sequence, units: entry.units,
                tombstone: entry.isTombstone)
        }
        head.pointee.position = contents.endUnits
        head.pointee.durableUnits = contents.endUnits
    }
}
