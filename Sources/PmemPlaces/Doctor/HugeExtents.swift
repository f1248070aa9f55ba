// Can a file be mapped with 2 MiB entries? A 2 MiB piece of the file can when one run of blocks
// holds all of it and begins at a physical address that is a multiple of 2 MiB.

enum HugeExtents {
    static let pageBytes = 2 << 20

    /// FIEMAP_EXTENT_* (linux/fiemap.h): the place is unknown, not yet allocated, encoded,
    /// or not on a block boundary, so the physical offset means nothing.
    private static let unusable: UInt32 = 0x0002 | 0x0004 | 0x0008 | 0x0100 | 0x0200
    /// FIEMAP_EXTENT_UNWRITTEN: allocated, but reads as zeroes until first written.
    private static let unwritten: UInt32 = 0x0800

    /// How much of a file 2 MiB entries could map.
    struct Share: Equatable {
        /// Whole 2 MiB pieces of the file.
        var pieces = 0
        /// Those that could be mapped with one entry.
        var possible = 0
        /// Bytes allocated but never written: their first touch waits for the journal.
        var unwrittenBytes = 0
        /// Bytes without any block.
        var holeBytes = 0
    }

    /// - Parameters:
    ///   - size: of the file, in bytes.
    ///   - base: the physical address, modulo 2 MiB, of the byte that extents count from.
    static func share(_ extents: [PlaceProbe.Extent], size: Int, base: Int) -> Share {
        var share = Share()
        share.pieces = size / pageBytes
        var allocated = 0
        for extent in extents {
            let end = min(extent.logical + extent.length, size)
            let bytes = max(0, end - extent.logical)
            allocated += bytes
            if extent.flags & unwritten != 0 { share.unwrittenBytes += bytes }
        }
        share.holeBytes = max(0, size - allocated)
        for run in runs(extents) where (run.physical + base - run.logical) % pageBytes == 0 {
            let first = (run.logical + pageBytes - 1) / pageBytes
            let end = min(run.logical + run.length, size) / pageBytes
            share.possible += max(0, end - first)
        }
        return share
    }

    /// The numbers of the 2 MiB pieces that are wholly allocated and written.
    static func writtenPieces(_ extents: [PlaceProbe.Extent], size: Int) -> [Int] {
        var pieces: [Int] = []
        var covered = 0..<0
        for extent in extents where extent.flags & (unusable | unwritten) == 0 {
            let end = min(extent.logical + extent.length, size)
            if extent.logical == covered.upperBound {
                covered = covered.lowerBound..<max(covered.lowerBound, end)
            } else {
                pieces += whole(covered)
                covered = extent.logical..<max(extent.logical, end)
            }
        }
        return pieces + whole(covered)
    }

    /// At most `limit` of the numbers below `count`, evenly spread.
    static func spread(_ count: Int, limit: Int) -> [Int] {
        guard count > limit else { return Array(0..<max(0, count)) }
        return (0..<limit).map { $0 * count / limit }
    }

    private static func whole(_ range: Range<Int>) -> [Int] {
        let first = (range.lowerBound + pageBytes - 1) / pageBytes
        let end = range.upperBound / pageBytes
        return first < end ? Array(first..<end) : []
    }

    /// Extents that continue each other on the medium and in the file, put together.
    private static func runs(_ extents: [PlaceProbe.Extent]) -> [PlaceProbe.Extent] {
        var runs: [PlaceProbe.Extent] = []
        for extent in extents where extent.flags & unusable == 0 {
            if let last = runs.last, last.logical + last.length == extent.logical,
                last.physical + last.length == extent.physical
            {
                runs[runs.count - 1].length += extent.length
            } else {
                runs.append(extent)
            }
        }
        return runs
    }
}
