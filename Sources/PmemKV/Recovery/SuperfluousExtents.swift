import CPmem

/// Tells which of the extents that a crash left open can be given back, so that compaction has its
/// reserve of segments again (I6).
struct SuperfluousExtents {
    private let engine: Engine
    /// Sequence numbers of the tombstones in sealed extents, once somebody needed them.
    private var sealedTombstones: Set<UInt64>?

    init(_ engine: Engine) { self.engine = engine }

    private var segments: SegmentMap { engine.segments }

    /// Whether nothing in an open extent is alive and no tombstone in it hides anything that would
    /// not stay hidden without it.
    mutating func contains(_ segment: Int, _ contents: ExtentContents) -> Bool {
        guard segments.liveUnits(segment) == 0 else { return false }
        if segments.value(segment, .tombstoneUnits) == 0
            || segments.oldestDead().except(segment) == .max
        {
            return true
        }
        // Copies of tombstones, whose originals still stand in the extent that was being
        // compacted. Finding them takes the summaries of all extents that have any, which may be
        // most of what a checkpoint spares; sealing costs nothing as long as there is space.
        guard segments.freeCount < engine.options.compactionReserve + engine.options.deleteReserve
        else { return false }
        let originals = sealedTombstones ?? readSealedTombstones()
        sealedTombstones = originals
        return contents.entries.allSatisfy { !$0.isTombstone || originals.contains($0.sequence) }
    }

    /// An extent that cannot be read has none: what it may hold is not relied on.
    private func readSealedTombstones() -> Set<UInt64> {
        var sequences: Set<UInt64> = []
        for segment in 0..<engine.geometry.segmentCount
        where segments.states[segment].phase == .sealed
            && segments.value(segment, .tombstoneUnits) > 0
        {
            guard let entries = try? ExtentReader(engine).sealedEntries(segment) else { continue }
            for entry in entries where entry.isTombstone { sequences.insert(entry.sequence) }
        }
        return sequences
    }
}
