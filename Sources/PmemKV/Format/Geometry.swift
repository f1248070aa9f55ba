import CPmem

/// Where the parts of a pool lie. All numbers are checked before anything is computed from them.
///
/// Invariants:
/// - segmentSize is a power of two, at least ``minimumSegmentSize``.
/// - table and segments lie inside the pool and do not overlap.
/// - Every location (64-byte units) fits the 39 bits an index slot has for it.
package struct Geometry: Sendable, Equatable {
    package let poolSize: Int
    package let segmentSize: Int
    package let segmentCount: Int
    package let tableOffset: Int
    package let dataOffset: Int
    private let segmentShift: Int

    package static let line = Int(CPMEM_LINE)
    package static let minimumSegmentSize = 1024
    package static let maximumSegmentSize = 1 << 30
    package static let minimumSegments = 4
    package static let minimumPoolSize = Int(CPMEM_TABLE_OFFSET) + 4096
    package static let maximumPoolSize = (1 << 39) * 64 - 1

    package var segmentUnits: Units { Units(segmentSize / Self.line) }

    /// The geometry of a new pool.
    package init(poolSize: Int, segmentSize requested: Int?) throws(StoreError) {
        guard poolSize <= Self.maximumPoolSize else {
            throw StoreError(.invalidArgument, "a pool has at most \(Self.maximumPoolSize) bytes")
        }
        let segmentSize = requested ?? Self.defaultSegmentSize(poolSize)
        try Self.checkSegmentSize(segmentSize)
        let table = Int(CPMEM_TABLE_OFFSET)
        var count = max(0, (max(0, poolSize) - table) / (segmentSize + Self.line))
        while count > 0 && Self.leastPoolSize(segments: count, segmentSize: segmentSize) > poolSize
        {
            count -= 1
        }
        guard count >= Self.minimumSegments else {
            let least = Self.leastPoolSize(
                segments: Self.minimumSegments, segmentSize: segmentSize)
            throw StoreError(
                .invalidArgument,
                """
                a size of \(poolSize) is too small for segments of \(segmentSize) bytes: a pool \
                has at least \(Self.minimumSegments) segments, here \(least) bytes
                """)
        }
        self.poolSize = poolSize
        self.segmentSize = segmentSize
        segmentCount = min(count, Int(UInt32.max))
        tableOffset = table
        dataOffset = Self.dataOffset(segments: segmentCount, segmentSize: segmentSize)
        segmentShift = segmentSize.trailingZeroBitCount
    }

    /// Where the first of so many segments begins. Large ones start where a 2 MiB page can; small
    /// ones at a 4 KiB page.
    private static func dataOffset(segments: Int, segmentSize: Int) -> Int {
        let alignment = segmentSize >= 2 << 20 ? 2 << 20 : 4096
        let end = Int(CPMEM_TABLE_OFFSET) + segments * line
        return (end + alignment - 1) / alignment * alignment
    }

    /// Bytes of a pool that has so many segments, and no fewer.
    static func leastPoolSize(segments: Int, segmentSize: Int) -> Int {
        dataOffset(segments: segments, segmentSize: segmentSize) + segments * segmentSize
    }

    /// The geometry that a superblock states; nil when it is impossible for a medium of this size.
    package init?(_ superblock: Superblock, mediumSize: Int) {
        let block = superblock.raw
        guard let pool = Int(exactly: block.pool_size), pool <= mediumSize,
            let segment = Int(exactly: block.segment_size),
            segment >= Self.minimumSegmentSize, segment <= Self.maximumSegmentSize,
            segment & (segment - 1) == 0,
            let count = Int(exactly: block.segment_count), count >= Self.minimumSegments,
            count <= pool / segment,
            let table = Int(exactly: block.table_offset), table >= Int(CPMEM_TABLE_OFFSET),
            table & 63 == 0, table < pool,
            let data = Int(exactly: block.data_offset), data & 63 == 0, data < pool,
            data - table >= count * Self.line, pool - data >= count * segment,
            pool <= Self.maximumPoolSize
        else { return nil }
        poolSize = pool
        segmentSize = segment
        segmentCount = count
        tableOffset = table
        dataOffset = data
        segmentShift = segment.trailingZeroBitCount
    }

    /// About 256 segments a pool, between 64 KiB and 16 MiB each.
    private static func defaultSegmentSize(_ poolSize: Int) -> Int {
        var size = 64 << 10
        while size < 16 << 20 && size * 2 <= poolSize / 256 { size *= 2 }
        return size
    }

    private static func checkSegmentSize(_ size: Int) throws(StoreError) {
        guard size >= minimumSegmentSize, size <= maximumSegmentSize, size & (size - 1) == 0 else {
            throw StoreError(
                .invalidArgument,
                """
                a segment size of \(size) bytes is not possible: it is a power of two from \
                \(minimumSegmentSize) to \(maximumSegmentSize)
                """)
        }
    }

    // MARK: Places

    /// All segments.
    package var segments: Range<SegmentNumber> { SegmentNumber(0)..<SegmentNumber(segmentCount) }

    @inline(__always)
    package func offset(of segment: SegmentNumber) -> Int {
        dataOffset &+ segment.rawValue &* segmentSize
    }

    @inline(__always)
    func firstLocation(of segment: SegmentNumber) -> Location {
        Location(units: UInt64(offset(of: segment) / Self.line))
    }

    /// The segment a location lies in; nil outside the segments.
    @inline(__always)
    func segment(of location: Location) -> SegmentNumber? { segment(ofOffset: location.offset) }

    /// The segment a byte of the pool lies in; nil outside the segments.
    @inline(__always)
    func segment(ofOffset offset: Int) -> SegmentNumber? {
        // One comparison for both ends: what lies before the first segment becomes very large.
        let segment = UInt(bitPattern: offset &- dataOffset) &>> UInt(bitPattern: segmentShift)
        return segment < UInt(bitPattern: segmentCount) ? SegmentNumber(Int(segment)) : nil
    }

    /// Bytes of the segment table.
    var tableBytes: Int { segmentCount * Self.line }
}

/// A place in the pool in units of 64 bytes from its start.
package struct Location: Hashable, Sendable {
    package let units: UInt64

    @inline(__always)
    package init(units: UInt64) { self.units = units }

    /// Bytes from the start of the pool.
    @inline(__always)
    package var offset: Int { Int(truncatingIfNeeded: units) &* 64 }

    @inline(__always)
    static func + (location: Location, distance: Units) -> Location {
        Location(units: location.units &+ UInt64(truncatingIfNeeded: distance.count))
    }

    /// The distance from an earlier place.
    @inline(__always)
    static func - (location: Location, start: Location) -> Units {
        Units(Int(truncatingIfNeeded: location.units &- start.units))
    }
}
