import CPmem

/// Where the parts of a pool lie: what stays when the pool grows; ``PoolSize`` is the rest.
/// All numbers are checked before anything is computed from them.
///
/// Invariants:
/// - segmentSize is a power of two, at least ``minimumSegmentSize``.
/// - The table has room for ``segmentLimit`` segments; table and segments do not overlap.
/// - Every location (64-byte units) of so many segments fits the 39 bits an index slot has for it.
package struct Geometry: Sendable, Equatable {
    package let segmentSize: Int
    /// Segments that the pool may grow to, those that it has included.
    package let segmentLimit: Int
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
    package init(
        poolSize: Int, segmentSize requested: Int?, room: GrowthRoom = .none
    ) throws(StoreError) {
        try Self.checkPoolSize(poolSize)
        let segmentSize = requested ?? Self.defaultSegmentSize(poolSize)
        try Self.checkSegmentSize(segmentSize)
        let count = Self.mostSegments(in: poolSize, segmentSize: segmentSize)
        guard count >= Self.minimumSegments else {
            throw Self.tooSmall(poolSize, segmentSize: segmentSize, table: Self.minimumSegments)
        }
        let lines = try Self.lines(for: room, poolSize, count, segmentSize: segmentSize)
        let data = Self.dataOffset(segments: lines, segmentSize: segmentSize)
        guard (poolSize - data) / segmentSize >= Self.minimumSegments else {
            throw Self.tooSmall(poolSize, segmentSize: segmentSize, table: lines)
        }
        self.segmentSize = segmentSize
        tableOffset = Int(CPMEM_TABLE_OFFSET)
        dataOffset = data
        segmentShift = segmentSize.trailingZeroBitCount
        if case .none = room {
            segmentLimit = Self.impliedLimit(
                segments: count, table: tableOffset, data: data, segmentSize: segmentSize)
        } else {
            segmentLimit = lines
        }
    }

    /// The most segments, with their lines of the table, that so many bytes have room for.
    private static func mostSegments(in poolSize: Int, segmentSize: Int) -> Int {
        var count = max(0, max(0, poolSize) - Int(CPMEM_TABLE_OFFSET)) / (segmentSize + line)
        while count > 0 && leastPoolSize(segments: count, segmentSize: segmentSize) > poolSize {
            count -= 1
        }
        return min(count, Int(UInt32.max))
    }

    /// Lines of a new table, for a pool that has so many segments without any room.
    private static func lines(
        for room: GrowthRoom, _ poolSize: Int, _ count: Int, segmentSize: Int
    ) throws(StoreError) -> Int {
        switch room {
        case .none: return count
        case .segments(let limit): return max(limit, count)
        case .usual:
            let most = min(poolSize, maximumPoolSize / GrowthRoom.usualFactor)
            let wanted = mostSegments(
                in: most * GrowthRoom.usualFactor, segmentSize: segmentSize)
            let lines = max(count, min(wanted, poolSize / GrowthRoom.usualShare / line))
            // A pool that is hardly possible without room is made without.
            let rest = poolSize - dataOffset(segments: lines, segmentSize: segmentSize)
            return rest / segmentSize >= minimumSegments ? lines : count
        case .bytes(let maximum):
            try checkPoolSize(maximum)
            guard maximum >= poolSize else {
                throw StoreError(
                    .invalidArgument,
                    "a pool of \(poolSize) bytes cannot have a maximum of \(maximum)")
            }
            return mostSegments(in: maximum, segmentSize: segmentSize)
        }
    }

    /// The limit of a pool whose superblock states none: as far as its table happens to have room,
    /// but not more than 16 times as many segments as there are.
    private static func impliedLimit(
        segments: Int, table: Int, data: Int, segmentSize: Int
    ) -> Int {
        let room = min((data - table) / line, (maximumPoolSize - data) / segmentSize)
        return max(segments, min(room, segments * GrowthRoom.usualFactor))
    }

    /// Whether a superblock need not state the limit of a pool of so many segments.
    func impliesLimit(segments: Int) -> Bool {
        segmentLimit
            == Self.impliedLimit(
                segments: segments, table: tableOffset, data: dataOffset, segmentSize: segmentSize)
    }

    /// Where the first segment begins behind a table of so many lines. Large ones start where a
    /// 2 MiB page can; small ones at a 4 KiB page.
    private static func dataOffset(segments: Int, segmentSize: Int) -> Int {
        let alignment = segmentSize >= 2 << 20 ? 2 << 20 : 4096
        let end = Int(CPMEM_TABLE_OFFSET) + segments * line
        return (end + alignment - 1) / alignment * alignment
    }

    /// Bytes of a pool that has so many segments, no fewer, and no room for more.
    static func leastPoolSize(segments: Int, segmentSize: Int) -> Int {
        dataOffset(segments: segments, segmentSize: segmentSize) + segments * segmentSize
    }

    /// The least bytes with which a new pool has so many segments, and the usual room for more.
    static func usualPoolSize(segments: Int, segmentSize: Int) -> Int {
        var size = leastPoolSize(segments: segments, segmentSize: segmentSize)
        while let geometry = try? Geometry(
            poolSize: size, segmentSize: segmentSize, room: .usual)
        {
            let missing = geometry.bytes(ofSegments: segments) - size
            guard missing > 0 else { break }
            size += missing
        }
        return size
    }

    private static func tooSmall(
        _ poolSize: Int, segmentSize: Int, table lines: Int
    ) -> StoreError {
        let least =
            dataOffset(segments: lines, segmentSize: segmentSize)
            + minimumSegments * segmentSize
        return StoreError(
            .invalidArgument,
            """
            a size of \(poolSize) is too small for segments of \(segmentSize) bytes\
            \(lines > minimumSegments ? " and a table of \(lines) of them" : ""): a pool has at \
            least \(minimumSegments) segments, here \(least) bytes
            """)
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
            pool <= Self.maximumPoolSize,
            let stated = Int(exactly: block.segment_limit),
            stated == 0
                || stated >= count && stated <= (data - table) / Self.line
                    && stated <= (Self.maximumPoolSize - data) / segment
        else { return nil }
        segmentSize = segment
        tableOffset = table
        dataOffset = data
        segmentShift = segment.trailingZeroBitCount
        segmentLimit =
            stated != 0
            ? stated
            : Self.impliedLimit(segments: count, table: table, data: data, segmentSize: segment)
    }

    private static func checkPoolSize(_ size: Int) throws(StoreError) {
        guard size <= maximumPoolSize else {
            throw StoreError(.invalidArgument, "a pool has at most \(maximumPoolSize) bytes")
        }
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

    // MARK: Sizes

    /// The size of a pool in so many bytes; without more segments than there may be.
    package func size(of bytes: Int) -> PoolSize {
        PoolSize(
            bytes: bytes, segments: min(segmentLimit, max(0, bytes - dataOffset) / segmentSize))
    }

    /// The geometry of a pool that stays at so many segments.
    func fixed(segments count: Int) -> Geometry { Geometry(self, segmentLimit: count) }

    private init(_ other: Geometry, segmentLimit: Int) {
        segmentSize = other.segmentSize
        self.segmentLimit = segmentLimit
        tableOffset = other.tableOffset
        dataOffset = other.dataOffset
        segmentShift = other.segmentShift
    }

    /// Bytes of a pool of so many segments with this table.
    func bytes(ofSegments count: Int) -> Int { dataOffset + count * segmentSize }

    /// No pool with this geometry has so many bytes: there would be one segment more than may be.
    var reach: Int { bytes(ofSegments: segmentLimit + 1) }

    /// Bytes of the table of so many segments.
    func tableBytes(segments count: Int) -> Int { count * Self.line }

    // MARK: Places

    @inline(__always)
    package func offset(of segment: SegmentNumber) -> Int {
        dataOffset &+ segment.rawValue &* segmentSize
    }

    @inline(__always)
    func firstLocation(of segment: SegmentNumber) -> Location {
        Location(units: UInt64(offset(of: segment) / Self.line))
    }

    /// Which of the first `count` segments a location lies in; nil outside these.
    @inline(__always)
    func segment(of location: Location, among count: Int) -> SegmentNumber? {
        segment(ofOffset: location.offset, among: count)
    }

    /// The same for a byte of the pool.
    @inline(__always)
    func segment(ofOffset offset: Int, among count: Int) -> SegmentNumber? {
        // One comparison for both ends: what lies before the first segment becomes very large.
        let segment = UInt(bitPattern: offset &- dataOffset) &>> UInt(bitPattern: segmentShift)
        return segment < UInt(bitPattern: count) ? SegmentNumber(Int(segment)) : nil
    }
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
