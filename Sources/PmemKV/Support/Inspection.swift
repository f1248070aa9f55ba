import CPmem

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
    /// The map's own count of free segments.
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
    /// Counts; the caller is the store's only user. O(segments + keys).
    package func structure() throws(StoreError) -> PoolStructure { try engine.structure() }
}

extension Engine {
    fileprivate func structure() throws(StoreError) -> PoolStructure {
        var result = PoolStructure()
        result.segments = geometry.segmentCount
        result.unprovenTails = unprovenTails
        result.freeCount = segments.freeCount
        result.namesCheckpoint = superblock.block.checkpoint_segment != CPMEM_NO_CHECKPOINT
        for segment in 0..<geometry.segmentCount {
            let state = segments.states[segment]
            switch state.phase {
            case .free: result.free += 1
            case .open:
                result.open += state.life.span
                result.openExtents += 1
            case .sealed: result.sealed += state.life.span
            case .checkpoint: result.checkpoint += state.life.span
            case .limbo: result.limbo += state.life.span
            case .quarantined: result.quarantined += state.life.span
            case .continuation: continue
            }
        }
        result.miscountedExtents = try miscountedExtents()
        return result
    }

    private func miscountedExtents() throws(StoreError) -> Int {
        try withUnsafeTemporaryCounts { counts throws(StoreError) in
            try self.index.forEachLocation { location throws(StoreError) in
                _ = try self.withRecord(at: location) { record -> Void? in
                    counts[self.segments.first(of: location)] += UInt64(record.units)
                }
            }
            return (0..<self.geometry.segmentCount).count { segment in
                switch self.segments.states[segment].phase {
                case .open, .sealed, .quarantined, .limbo:
                    counts[segment] != UInt64(self.segments.liveUnits(segment))
                case .free, .checkpoint, .continuation: counts[segment] != 0
                }
            }
        }
    }

    private func withUnsafeTemporaryCounts<R>(
        _ body: (UnsafeMutablePointer<UInt64>) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: geometry.segmentCount)
        defer { counts.deallocate() }
        counts.initialize(repeating: 0, count: geometry.segmentCount)
        return try body(counts)
    }
}
