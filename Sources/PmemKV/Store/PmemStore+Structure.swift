/// What the segments of a store are used for, counted; tests hold it against the invariants of
/// docs/crash-model.md.
package struct PoolStructure: Equatable, Sendable {
    package var segments = 0
    package var free = 0
    /// Segments of extents that are being appended to.
    package var open = 0
    package var openExtents = 0
    package var sealed = 0
    package var checkpoint = 0
    package var limbo = 0
    package var quarantined = 0
    /// The count of free segments that writers look at.
    package var freeCount = 0
    /// Extents whose count of live units is not what the index says.
    package var miscountedExtents = 0
    /// Extents that a clean close left open without saying how far they were durable.
    package var unprovenTails = 0
    /// Whether the superblock names a checkpoint.
    package var namesCheckpoint = false

    /// Segments that belong to nothing.
    package var lost: Int {
        segments - free - open - sealed - checkpoint - limbo - quarantined
    }
}

extension PmemStore {
    /// Counts; the caller is the store's only user, and compaction waits. O(segments + keys).
    package func structure() throws(StoreError) -> PoolStructure {
        engine.space.compactionLock.lock()
        defer { engine.space.compactionLock.unlock() }
        let segments = engine.log.segments
        var result = PoolStructure()
        result.segments = segments.count
        result.unprovenTails = engine.unprovenTails
        result.freeCount = segments.freeCount
        result.namesCheckpoint = engine.log.root.current.checkpoint != nil
        for segment in segments.all {
            let role = segments.role(segment)
            switch role.phase {
            case .free: result.free += 1
            case .open:
                result.open += role.span
                result.openExtents += 1
            case .sealed: result.sealed += role.span
            case .checkpoint: result.checkpoint += role.span
            case .limbo: result.limbo += role.span
            case .quarantined: result.quarantined += role.span
            case .continuation: continue
            }
        }
        result.miscountedExtents = try engine.miscountedExtents()
        return result
    }
}

extension PmemStore {
    /// What is wrong with the ordered index; nil when nothing is, or there is none. The caller is
    /// the store's only user, and compaction waits. O(keys).
    package func orderedProblem() -> String? {
        engine.space.compactionLock.withLock { engine.ordered?.firstProblem() }
    }
}

extension Engine {
    /// Extents whose live units are not those of the records that the index points at, and of those
    /// that snapshots keep.
    fileprivate func miscountedExtents() throws(StoreError) -> Int {
        var counted: [SegmentNumber: Units] = [:]
        for shard in index.shards {
            try index.forEachLocation(inShard: shard) { location throws(StoreError) in
                _ = try log.withRecord(at: location) { record -> Void? in
                    counted[self.log.segments.extent(of: location), default: .zero] += record.units
                }
            }
            for version in snapshots.versions(inShard: shard) {
                counted[log.segments.extent(of: version.location), default: .zero] += version.units
            }
        }
        return log.segments.all.count { segment in
            let found = counted[segment] ?? .zero
            switch log.segments.phase(segment) {
            case .open, .sealed, .quarantined, .limbo:
                return found != liveness.liveUnits(segment)
            case .free, .checkpoint, .continuation: return found != .zero
            }
        }
    }
}
