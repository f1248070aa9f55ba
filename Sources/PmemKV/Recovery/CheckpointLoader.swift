import CPmem

/// How far a checkpoint knows the log of each segment.
struct CheckpointCoverage {
    /// Units covered, by first segment; zero where the life has changed since.
    var units: [Int]
}

/// Loads the index from the checkpoint that the superblock names, if it is whole (I12).
struct CheckpointLoader {
    let segments: SegmentMap
    let medium: Medium
    let block: cpmem_superblock
    private(set) var isLoaded = false
    private(set) var checkpointSegment = -1
    private(set) var coverage: CheckpointCoverage

    init(segments: SegmentMap, medium: Medium, block: cpmem_superblock) {
        self.segments = segments
        self.medium = medium
        self.block = block
        coverage = CheckpointCoverage(
            units: [Int](repeating: 0, count: segments.geometry.segmentCount))
    }

    private var maximumKeys: Int {
        segments.geometry.segmentCount * segments.geometry.segmentUnits
    }

    /// The index of the checkpoint, or an empty one.
    mutating func makeIndex() throws(StoreError) -> HashIndex {
        if let index = try load() { return index }
        return try HashIndex(
            shape: HashIndex.shape(maximumKeys: maximumKeys), seed: block.pool_id,
            maximumKeys: maximumKeys)
    }

    private mutating func load() throws(StoreError) -> HashIndex? {
        let geometry = segments.geometry
        guard let segment = Int(exactly: block.checkpoint_segment),
            segment < geometry.segmentCount,
            segments.states[segment].phase == .checkpoint,
            UInt64(segments.states[segment].life.generation) == block.checkpoint_generation
        else { return nil }
        checkpointSegment = segment
        guard let length = Int(exactly: block.checkpoint_length),
            length <= segments.states[segment].life.span * geometry.segmentSize
        else { return nil }
        let maximum = maximumKeys
        let salt = segments.states[segment].salt
        var coverage = coverage
        let loaded = try medium.withBytes(
            at: geometry.offset(ofSegment: segment), count: length
        ) { bytes throws(StoreError) -> HashIndex? in
            guard
                let view = unsafe CheckpointView(
                    bytes, salt: salt, segmentCount: geometry.segmentCount)
            else { return nil }
            let index = try HashIndex(
                shape: view.index.shape, seed: block.pool_id, maximumKeys: maximum)
            guard index.load(view) else { return nil }
            try self.cover(view, index, &coverage)
            return index
        }
        self.coverage = coverage
        isLoaded = loaded != nil
        return loaded
    }

    /// Takes over the statistics of lives that still last, and drops the items of the others.
    private func cover(
        _ view: CheckpointView, _ index: HashIndex, _ coverage: inout CheckpointCoverage
    ) throws(StoreError) {
        var isStale = false
        for segment in 0..<segments.geometry.segmentCount {
            let known = view.coverage(of: SegmentNumber(segment))
            guard known.covered > .zero else { continue }
            let state = segments.states[segment]
            guard state.phase == .open || state.phase == .sealed,
                state.life.generation == known.generation,
                known.covered.count <= state.life.span * segments.geometry.segmentUnits,
                known.live <= known.covered, known.tombstones <= known.covered
            else {
                isStale = true
                continue
            }
            coverage.units[segment] = known.covered.count
            segments.setCounters(
                segment, live: UInt64(known.live.count),
                tombstones: UInt64(known.tombstones.count), oldestDead: known.oldestDead.rawValue)
        }
        guard isStale else { return }
        for shard in index.shards {
            index.removeItems(inShard: shard) { location in
                guard let segment = segments.geometry.segment(of: location) else { return true }
                return coverage.units[Int(segments.states[segment].first)] == 0
            }
        }
    }
}
