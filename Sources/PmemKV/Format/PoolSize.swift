import CPmem

/// How much of a pool there is. A pool may grow, up to its ``Geometry/segmentLimit``.
package struct PoolSize: Sendable, Equatable {
    /// Those behind the last segment are not used.
    package let bytes: Int
    package let segments: Int

    init(bytes: Int, segments: Int) {
        self.bytes = bytes
        self.segments = segments
    }

    /// What a superblock states, whose geometry is possible.
    init(_ superblock: Superblock) {
        bytes = Int(superblock.raw.pool_size)
        segments = Int(superblock.raw.segment_count)
    }
}

/// How far a new pool is to be able to grow: for how many segments its table has room.
package enum GrowthRoom: Sendable {
    /// As far as the alignment of the first segment leaves room.
    case none
    /// To 16 times its size, but no further than a table allows that takes 1/64 of the pool.
    case usual
    /// To so many bytes.
    case bytes(Int)
    /// To so many segments: as far as another pool, of the same size.
    case segments(Int)

    /// How many times its size a pool may have by default.
    static let usualFactor = 16
    /// The part of the pool that a table for that takes at most.
    static let usualShare = 64
}
