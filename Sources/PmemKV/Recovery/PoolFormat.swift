import CPmem
import Glibc

/// Making a new pool.
enum PoolFormat {
    /// Lines of the segment table that are written at once.
    private static let linesPerCopy = 1024

    /// Writes an empty pool over the whole medium. A given identity makes every byte of it a
    /// function of the arguments, so that a simulation can be repeated.
    ///
    /// - Parameter isIncomplete: whether nobody may open it before it has been filled.
    /// - Throws: `media` when it does not stand there afterwards: a medium that keeps nothing need
    ///   not say so.
    static func write(
        to medium: Medium, path: String, segmentSize: Int?, room: GrowthRoom,
        identity: UInt64? = nil, isIncomplete: Bool
    ) throws(StoreError) {
        let geometry = try Geometry(poolSize: medium.size, segmentSize: segmentSize, room: room)
        let size = geometry.size(of: medium.size)
        let segments = SegmentNumber(0)..<SegmentNumber(size.segments)
        let poolID = identity ?? cpmem_random64()
        // An older pool's superblock must not outlive any byte of its table.
        [UInt8](repeating: 0, count: Superblock.byteCount).withByteView { zeroes in
            for copy in 0..<Superblock.copies {
                medium.copy(zeroes, to: Superblock.offset(ofCopy: copy), site: .createTable)
            }
        }
        try medium.drain(site: .createTableDrain)
        writeLines(segments, of: geometry, poolID: poolID, to: medium, site: .createTable)
        try medium.drain(site: .createTableDrain)
        let now = identity == nil ? UInt64(max(0, time(nil))) : 0
        let root = Superblocks(
            Superblock(
                creating: geometry, size: size, poolID: poolID, created: now,
                isIncomplete: isIncomplete),
            newest: 1, medium: medium)
        for _ in 0..<Superblock.copies { try root.update { _ in true } }
        guard try isWritten(segments, of: geometry, poolID: poolID, medium) else {
            throw StoreError(
                .media,
                """
                \(path) does not keep what is written: a new pool's superblock and segment table \
                do not read back; the device below, or what emulates it, drops stores
                """)
        }
    }

    /// Whether a new pool reads back from the medium itself.
    private static func isWritten(
        _ segments: Range<SegmentNumber>, of geometry: Geometry, poolID: UInt64, _ medium: Medium
    ) throws(StoreError) -> Bool {
        let page = 4096
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: linesPerCopy * Geometry.line, alignment: page)
        defer { unsafe buffer.deallocate() }
        func bytes(at offset: Int, count: Int) throws(StoreError) -> ByteView {
            let pages = (count + page - 1) / page * page
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<pages])
            unsafe try medium.readPastCaches(at: offset, into: part)
            return unsafe ByteView(UnsafeRawBufferPointer(part)).prefix(count)
        }
        for copy in 0..<Superblock.copies {
            let found = Superblock.parse(
                try bytes(at: Superblock.offset(ofCopy: copy), count: Superblock.byteCount))
            guard case .valid(let block) = found, block.poolID == poolID else { return false }
        }
        for part in parts(of: segments) {
            let found = try bytes(
                at: geometry.lineOffset(of: part.lowerBound), count: part.count * Geometry.line)
            let isSame = SegmentTable.withNewLines(part, poolID: poolID) {
                found.hasSameBytes(as: $0)
            }
            guard isSame else { return false }
        }
        return true
    }

    /// The segments of the table as they are written at once.
    private static func parts(of segments: Range<SegmentNumber>) -> [Range<SegmentNumber>] {
        let end = segments.upperBound
        return stride(from: segments.lowerBound, to: end, by: linesPerCopy).map {
            $0..<min($0 + linesPerCopy, end)
        }
    }

    private static func writeLines(
        _ segments: Range<SegmentNumber>, of geometry: Geometry, poolID: UInt64,
        to medium: Medium, site: PersistSite
    ) {
        for part in parts(of: segments) {
            SegmentTable.withNewLines(part, poolID: poolID) {
                medium.copy($0, to: geometry.lineOffset(of: part.lowerBound), site: site)
            }
        }
    }

    // MARK: Growing

    /// Gives a pool its new size on the medium, whose bytes are there and durably the pool's (I16).
    static func grow(
        _ root: Superblocks, of geometry: Geometry, to size: PoolSize, on medium: Medium
    ) throws(StoreError) {
        let old = PoolSize(root.current)
        writeLines(
            SegmentNumber(old.segments)..<SegmentNumber(size.segments), of: geometry,
            poolID: root.current.poolID, to: medium, site: .growTable)
        try medium.drain(site: .growTableDrain)
        try root.grow(to: size, limit: geometry.segmentLimit)
    }
}
