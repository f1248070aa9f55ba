/// The writes before the first write: sealing what a crash left open, or continuing it after a
/// clean close; freeing what nobody names; marking the pool as in use.
extension Recovery {
    mutating func makeWritable() throws(StoreError) {
        for (extent, contents) in open
        where !contents.leavesRoomForSummary(capacity: segments.capacity(extent)) {
            throw reader.noRoomForSummary(extent).refusal
        }
        if report.wasClean {
            unprovenTails = open.count { $0.contents.end != segments.provenEnd($0.extent) }
        }
        try persistFound()
        try sealPartsOfBatches()
        try releaseSuperfluous()
        try takeOverOpenExtents()
        let limit = log.sequences.roomyLimit
        try log.root.update { block in
            block.isClean = false
            block.sequenceLimit = limit
            return true
        }
        log.sequences.adopt(limit: limit)
        // Only now: words of this update can complete an older one of the same copy that a crash
        // cut short, and that one may name a checkpoint (I12).
        for segment in segments.all
        where segments.phase(segment) == .checkpoint && segment != checkpoint.extent {
            try segments.release(segment)
        }
    }

    /// What a killed process had stored is visible, but may not be durable: it becomes so before
    /// anything depends on it or is answered from it.
    private func persistFound() throws(StoreError) {
        let medium = log.medium
        for copy in 0..<Superblock.copies {
            medium.flush(
                at: Superblock.offset(ofCopy: copy), count: Superblock.byteCount,
                site: .recoveryFlush)
        }
        medium.flush(
            at: geometry.tableOffset, count: geometry.tableBytes(segments: segments.count),
            site: .recoveryFlush)
        for (extent, contents) in open where contents.end > .zero {
            medium.flush(
                at: geometry.offset(of: extent), count: contents.end.bytes,
                site: .recoveryFlush)
        }
        try medium.drain(site: .recoveryDrain)
    }

    /// Seals what the parts of a batch lie in that a crash kept from being sealed, durably, as long
    /// as the record that tells that it is whole is sure to be there (I11).
    private mutating func sealPartsOfBatches() throws(StoreError) {
        let parts = open.filter { $0.contents.holdsPartOfBatch }
        guard !parts.isEmpty else { return }
        open.removeAll { $0.contents.holdsPartOfBatch }
        for (extent, contents) in parts { try seal(extent, contents) }
        try log.medium.drain(site: .batchSealDrain)
    }

    private mutating func seal(
        _ extent: SegmentNumber, _ contents: ExtentContents
    ) throws(StoreError) {
        let head = log.compactionHead.own()
        head.begin(extent, of: segments)
        head.adopt(contents)
        try log.seal(head)
        report.sealedExtents += contents.end > .zero ? 1 : 0
    }

    /// Frees the extents of a compaction that a crash cut short when all their records stand
    /// elsewhere as well (I6).
    private mutating func releaseSuperfluous() throws(StoreError) {
        guard !report.wasClean else { return }
        var superfluous = SuperfluousExtents(liveness, space, reader)
        let found = open.filter { superfluous.contains($0.extent, $0.contents) }.map(\.extent)
        open.removeAll { found.contains($0.extent) }
        for extent in found.sorted() { try space.free(extent) }
    }

    /// The extents that a clean close left open and that the next writer goes on with, one for each
    /// head.
    var continued: [SegmentNumber] {
        guard report.wasClean && report.damagedSuperblocks.isEmpty else { return [] }
        return open.filter { segments.span($0.extent) == 1 && $0.contents.end > .zero }
            .prefix(log.headCount).map(\.extent)
    }

    private mutating func takeOverOpenExtents() throws(StoreError) {
        let continued = continued
        for (extent, contents) in open {
            guard let number = continued.firstIndex(of: extent) else {
                try seal(extent, contents)
                continue
            }
            let head = log.head(number).own()
            head.begin(extent, of: segments)
            head.adopt(contents)
            // Room that was kept for removes stays theirs.
            head.isForTombstones =
                space.isNearlyFull && contents.entries.allSatisfy { !$0.kind.isFound }
        }
    }
}

/// Tells which of the extents that a crash left open can be given back, so that compaction has its
/// reserve of segments again.
private struct SuperfluousExtents {
    private let liveness: Liveness
    private let space: Space
    private let reader: ExtentReader
    /// Sequence numbers of the tombstones in sealed extents, once somebody needed them.
    private var sealedTombstones: Set<SequenceNumber>?

    init(_ liveness: Liveness, _ space: Space, _ reader: ExtentReader) {
        self.liveness = liveness
        self.space = space
        self.reader = reader
    }

    /// Whether nothing in an open extent is alive and no tombstone in it hides anything that would
    /// not stay hidden without it.
    mutating func contains(_ extent: SegmentNumber, _ contents: ExtentContents) -> Bool {
        guard liveness.liveUnits(extent) == .zero else { return false }
        if liveness.isSuperfluous(extent) { return true }
        // Copies of tombstones, whose originals still stand in the extent that was being
        // compacted. Finding them takes the summaries of all extents that have any, which may be
        // most of what a checkpoint spares; sealing costs nothing as long as there is space.
        guard space.isNearlyFull else { return false }
        let originals = sealedTombstones ?? readSealedTombstones()
        sealedTombstones = originals
        return contents.entries.allSatisfy { $0.kind.isFound || originals.contains($0.number) }
    }

    /// An extent that cannot be read has none: what it may hold is not relied on.
    private func readSealedTombstones() -> Set<SequenceNumber> {
        let segments = liveness.segments
        var sequences: Set<SequenceNumber> = []
        for segment in segments.all
        where segments.phase(segment) == .sealed && liveness.tombstoneUnits(segment) > .zero {
            guard let contents = try? reader.sealed(segments.extent(segment)),
                contents.lost.isEmpty
            else { continue }
            for entry in contents.entries where !entry.kind.isFound {
                sequences.insert(entry.number)
            }
        }
        return sequences
    }
}
