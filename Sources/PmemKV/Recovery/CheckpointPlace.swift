/// Where the checkpoint lies that the superblock names.
struct CheckpointPlace: Sendable {
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
        segmentCount = table.size.segments
    }

    /// What stands before the buckets; nil when it is none of a checkpoint.
    func head(reading medium: Medium) throws(StoreError) -> CheckpointHead? {
        guard length >= CheckpointHead.headerSize else { return nil }
        let layout = try medium.withBytes(at: offset, count: CheckpointHead.headerSize) {
            CheckpointHead.layout(header: $0, length: length, segmentCount: segmentCount)
        }
        guard let layout else { return nil }
        return try medium.withBytes(at: offset, count: layout.bucketsOffset) {
            CheckpointHead($0, layout, salt: extent.salt)
        }
    }

    /// The checkpoint in the bytes at this place; nil when it is damaged.
    func view(of bytes: ByteView) -> CheckpointView? {
        CheckpointView(bytes, salt: extent.salt, segmentCount: segmentCount)
    }
}

/// What of a checkpoint is still true of the extents in the table: opening takes that over, and
/// checking holds it against the log.
struct CheckpointCoverage {
    private let geometry: Geometry
    /// The extent that reaches over each segment.
    private let extents: [Extent?]
    /// What is known of each extent whose life still lasts, at its first segment.
    private(set) var known: [ExtentCoverage?]
    /// Whether the checkpoint knows extents that are no longer there: the items in them have to be
    /// left out.
    private(set) var isStale = false

    /// - Complexity: O(segments).
    init(of head: CheckpointHead, in table: PoolTable) {
        geometry = table.geometry
        extents = table.segments.extentOfEachSegment()
        known = [ExtentCoverage?](repeating: nil, count: extents.count)
        for segment in SegmentNumber(0)..<SegmentNumber(extents.count) {
            guard let coverage = head.coverage(of: segment), coverage.covered > .zero
            else { continue }
            if let extent = extents[segment.rawValue], extent.first == segment,
                coverage.holds(
                    for: extent.life, capacity: geometry.units(ofSpan: extent.span))
            {
                known[segment.rawValue] = coverage
            } else {
                isStale = true
            }
        }
    }

    /// Whether an item is one that opening takes over.
    func takes(_ location: Location) -> Bool {
        // As long as all still holds, there is no need to look where items lead.
        guard isStale else { return true }
        guard let segment = geometry.segment(of: location, among: extents.count),
            let extent = extents[segment.rawValue],
            let covered = known[extent.first.rawValue]?.covered
        else { return false }
        return location - geometry.firstLocation(of: extent.first) < covered
    }
}
