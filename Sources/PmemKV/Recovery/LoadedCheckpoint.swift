/// The index as a checkpoint knew it, and how far that covers the log of each extent.
struct LoadedCheckpoint {
    let index: HashIndex
    /// The extent that the superblock names, whether or not it could be loaded.
    let extent: SegmentNumber?
    /// Nil when the index is an empty one.
    private let coverage: CheckpointCoverage?
    /// Keys of each named table, from number 1 on, as far as the index has them.
    let tables: [UInt64]
    /// Every record in the index has a lower number.
    let nextSequence: SequenceNumber

    /// Whether the index came from a checkpoint and is not just empty.
    var isLoaded: Bool { coverage != nil }

    /// Whether it knew items in extents that are gone.
    var leftItemsOut: Bool { coverage?.isStale ?? false }

    /// Units of an extent that need not be replayed.
    func covered(_ extent: SegmentNumber) -> Units {
        coverage?.known[extent.rawValue]?.covered ?? .zero
    }

    /// Loads the index from the checkpoint that the superblock names, if it is whole (I12).
    init(reading table: PoolTable, _ medium: Medium, threads: Int) throws(StoreError) {
        let place = CheckpointPlace(in: table)
        extent = place?.extent.first
        if let place, let loaded = try Self.load(place, table, medium, threads) {
            (index, coverage) = (loaded.index, loaded.coverage)
            tables = loaded.head.tables
            nextSequence = loaded.head.nextSequence
        } else {
            // Shards for the pool as it is; buckets come with its keys.
            let shape = HashIndex.shape(
                maximumKeys: table.size.segments * table.geometry.segmentUnits.count)
            index = try HashIndex(
                shape: shape, seed: table.superblock.poolID,
                maximumKeys: Self.maximumKeys(table))
            coverage = nil
            tables = []
            nextSequence = .zero
        }
    }

    /// A record takes a unit at least. Of the pool as large as it can become.
    private static func maximumKeys(_ table: PoolTable) -> Int {
        table.geometry.segmentLimit * table.geometry.segmentUnits.count
    }

    private static func load(
        _ place: CheckpointPlace, _ table: PoolTable, _ medium: Medium, _ threads: Int
    ) throws(StoreError)
        -> (index: HashIndex, coverage: CheckpointCoverage, head: CheckpointHead)?
    {
        guard let head = try place.head(reading: medium) else { return nil }
        let index = try HashIndex(
            shape: head.shape, seed: table.superblock.poolID,
            maximumKeys: maximumKeys(table))
        let isLoaded = try index.load(head, threads: threads) {
            range, body throws(StoreError) in
            try medium.withBytes(
                at: place.offset + range.lowerBound, count: range.count, body)
        }
        guard isLoaded else { return nil }
        let coverage = CheckpointCoverage(of: head, in: table)
        if coverage.isStale {
            for shard in index.shards {
                index.removeItems(inShard: shard) { !coverage.takes($0) }
            }
        }
        return (index, coverage, head)
    }

    /// Counts what the checkpoint covers.
    func count(into liveness: Liveness) {
        for (number, known) in (coverage?.known ?? []).enumerated() {
            guard let known else { continue }
            liveness.adopt(
                SegmentNumber(number), live: known.live, tombstones: known.tombstones,
                oldestDead: known.oldestDead)
        }
    }
}
