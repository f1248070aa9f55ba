/// Where the checkpoint lies that the superblock names.
struct CheckpointPlace {
    let extent: Extent
    let offset: Int
    /// Bytes.
    let length: Int
    private let segmentCount: Int

    /// Nil when the superblock names none, or one that is not in the table.
    init?(in table: PoolTable) {
        guard let name = table.superblock.checkpoint,
            let extent = table.segments.extents.first(where: {
                UInt64($0.first.rawValue) == name.segment && $0.life.state == .checkpoint
                    && UInt64($0.life.generation) == name.generation
            }),
            let length = Int(exactly: name.length),
            length <= table.geometry.units(ofSpan: extent.span).bytes
        else { return nil }
        self.extent = extent
        self.length = length
        offset = table.geometry.offset(of: extent.first)
        segmentCount = table.geometry.segmentCount
    }

    /// The checkpoint in the bytes at this place; nil when it is damaged.
    func view(of bytes: ByteView) -> CheckpointView? {
        unsafe CheckpointView(bytes.buffer, salt: extent.salt, segmentCount: segmentCount)
    }
}

/// The index as a checkpoint knew it, and how far that covers the log of each extent.
struct LoadedCheckpoint {
    let index: HashIndex
    /// Whether the index came from a checkpoint and is not just empty.
    let isLoaded: Bool
    /// The extent that the superblock names, whether or not it could be loaded.
    let extent: SegmentNumber?
    /// What is known of each extent whose life still lasts, at its first segment.
    private var coverage: [ExtentCoverage?] = []

    /// Units of an extent that need not be replayed.
    func covered(_ extent: SegmentNumber) -> Units {
        isLoaded ? coverage[extent.rawValue]?.covered ?? .zero : .zero
    }

    /// Loads the index from the checkpoint that the superblock names, if it is whole (I12).
    init(
        reading table: PoolTable, _ segments: Segments, _ medium: Medium
    ) throws(StoreError) {
        let place = CheckpointPlace(in: table)
        extent = place?.extent.first
        let seed = table.superblock.poolID
        // A record takes a unit at least.
        let maximumKeys = table.geometry.segmentCount * table.geometry.segmentUnits.count
        var coverage: [ExtentCoverage?] = []
        let loaded = try place.map { place throws(StoreError) in
            try medium.withBytes(at: place.offset, count: place.length) {
                bytes throws(StoreError) -> HashIndex? in
                guard let view = place.view(of: bytes) else { return nil }
                let index = try HashIndex(
                    shape: view.index.shape, seed: seed, maximumKeys: maximumKeys)
                guard index.load(view) else { return nil }
                coverage = Self.cover(view, index, segments)
                return index
            }
        }
        if let loaded = loaded ?? nil {
            index = loaded
            isLoaded = true
            self.coverage = coverage
        } else {
            index = try HashIndex(
                shape: HashIndex.shape(maximumKeys: maximumKeys), seed: seed,
                maximumKeys: maximumKeys)
            isLoaded = false
        }
    }

    /// What the checkpoint knows of lives that still last; the items of others are dropped.
    private static func cover(
        _ view: CheckpointView, _ index: HashIndex, _ segments: Segments
    ) -> [ExtentCoverage?] {
        var coverage = [ExtentCoverage?](
            repeating: nil, count: segments.geometry.segmentCount)
        var isStale = false
        for segment in segments.geometry.segments {
            let known = view.coverage(of: segment)
            guard known.covered > .zero else { continue }
            if segments.role(segment).first == segment,
                known.holds(for: segments.life(segment), capacity: segments.capacity(segment))
            {
                coverage[segment.rawValue] = known
            } else {
                isStale = true
            }
        }
        guard isStale else { return coverage }
        for shard in index.shards {
            index.removeItems(inShard: shard) { location in
                guard segments.geometry.segment(of: location) != nil else { return true }
                let extent = segments.extent(of: location)
                let offset = location - segments.geometry.firstLocation(of: extent)
                return offset >= coverage[extent.rawValue]?.covered ?? .zero
            }
        }
        return coverage
    }

    /// Counts what the checkpoint covers.
    func count(into liveness: Liveness) {
        for (number, known) in coverage.enumerated() {
            guard let known else { continue }
            liveness.adopt(
                SegmentNumber(number), live: known.live, tombstones: known.tombstones,
                oldestDead: known.oldestDead)
        }
    }
}
