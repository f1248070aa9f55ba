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
    static func write(
        to medium: Medium, segmentSize: Int?, identity: UInt64? = nil, isIncomplete: Bool
    ) throws(StoreError) {
        let geometry = try Geometry(poolSize: medium.size, segmentSize: segmentSize)
        let poolID = identity ?? cpmem_random64()
        // An older pool's superblock must not outlive any byte of its table.
        [UInt8](repeating: 0, count: Superblock.byteCount).withByteView { zeroes in
            for copy in 0..<Superblock.copies {
                medium.copy(zeroes, to: Superblock.offset(ofCopy: copy), site: .createTable)
            }
        }
        try medium.drain(site: .createTableDrain)
        writeTable(medium, geometry, poolID: poolID)
        try medium.drain(site: .createTableDrain)
        let now = identity == nil ? UInt64(max(0, time(nil))) : 0
        let root = Superblocks(
            Superblock(
                creating: geometry, poolID: poolID, created: now, isIncomplete: isIncomplete),
            newest: 1, medium: medium)
        for _ in 0..<Superblock.copies { try root.update { _ in true } }
    }

    private static func writeTable(_ medium: Medium, _ geometry: Geometry, poolID: UInt64) {
        let end = geometry.segments.upperBound
        for start in stride(from: geometry.segments.lowerBound, to: end, by: linesPerCopy) {
            let part = start..<min(start + linesPerCopy, end)
            SegmentTable.withNewLines(part, poolID: poolID) {
                medium.copy($0, to: geometry.lineOffset(of: start), site: .createTable)
            }
        }
    }
}
