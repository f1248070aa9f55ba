import Synchronization

/// Numbers about a store. Counters count from when it was opened.
public struct Statistics: Sendable, Equatable {
    /// Keys in the store, those of all tables together.
    public var keys = 0
    /// Named tables.
    public var tables = 0
    /// Bytes of the pool.
    public var poolBytes = 0
    /// Bytes that it may grow to, see ``PmemStore/grow(to:)``; those it has where it cannot.
    public var maximumPoolBytes = 0
    /// Bytes of the file behind the pool, which nothing uses: what a growth that was cut short has
    /// left, or others have added.
    public var unusedBytes = 0
    /// Bytes of a segment.
    public var segmentBytes = 0
    /// Segments of the pool, free ones included.
    public var segments = 0
    /// Segments that hold nothing; the last two are kept for removals and for making room.
    public var freeSegments = 0
    /// Bytes of records that are the newest of their key, or kept for snapshots, headers and
    /// padding included.
    public var liveBytes = 0
    /// Bytes of tombstones on the medium.
    public var tombstoneBytes = 0
    /// Bytes of the index checkpoint on the medium.
    public var checkpointBytes = 0
    /// Bytes of DRAM that the index takes, and what it knows of records kept for snapshots.
    public var indexBytes = 0
    /// Segments whose damage keeps them from being compacted.
    public var quarantinedSegments = 0
    /// Values written: each entry of a batch counts, an overwrite too.
    public var puts = 0
    /// Removals written, those of keys that were not there left out.
    public var removes = 0
    /// Times that compaction emptied a segment, or a row of them that one long record took.
    public var compactions = 0
    /// Bytes of records that it copied elsewhere for that.
    public var compactedBytes = 0
    /// Times that a write waited for space, or made some itself.
    public var stalls = 0
    /// Nanoseconds that all of these took, as a clock on the wall has them.
    public var stallNanoseconds = 0
    /// Nanoseconds of the longest one.
    public var longestStallNanoseconds = 0
    /// Snapshots that have not ended, those of scans under way included.
    public var snapshots = 0
    /// Nanoseconds since the oldest of them was taken; zero without any.
    public var oldestSnapshotNanoseconds = 0
    /// Bytes of superseded records that they keep from being reclaimed.
    public var keptBytes = 0
    /// Media faults seen under the mapping.
    public var mediaFaults = 0
}

extension PmemStore {
    /// The store's numbers, each as it is when it is read: while others write they need not fit
    /// together. Works on a closed store, too. O(segments).
    public var statistics: Statistics { engine.statistics }
}

extension PmemStore {
    /// Bytes of the largest value that a put could store now, under a key of up to 64 bytes, after
    /// compaction if that is needed. A put of a larger one throws `outOfSpace`, which names this
    /// number. While no value is longer than a segment it is all that is free, or would be after
    /// compaction, but for two segments that are kept for compaction and for removes.
    ///
    /// Writers may change it at any time. Waits while compaction runs.
    /// - Throws: `closed`.
    /// - Complexity: O(records): the summaries of all extents are read.
    public func largestValue() throws(StoreError) -> Int { try engine.space.largestValue() }
}

extension Engine {
    fileprivate var statistics: Statistics {
        var result = Statistics()
        result.keys = keyCount
        result.tables = records.tables.all.count
        let size = log.segments.size
        result.poolBytes = size.bytes
        result.maximumPoolBytes = maximumPoolBytes
        result.unusedBytes = log.medium.size - size.bytes
        result.segmentBytes = geometry.segmentSize
        result.segments = size.segments
        result.indexBytes =
            index.memoryBytes + (ordered?.memoryBytes ?? 0) + snapshots.memoryBytes
        result.puts = Int(index.total(.puts))
        result.removes = Int(index.total(.removes))
        result.compactions = space.compactions.load(ordering: .relaxed)
        result.compactedBytes = Units(space.compactedUnits.load(ordering: .relaxed)).bytes
        result.stalls = space.stalls.count
        result.stallNanoseconds = space.stalls.nanoseconds
        result.longestStallNanoseconds = space.stalls.longest
        let living = snapshots.all
        result.snapshots = living.count
        if let oldest = living.first {
            result.oldestSnapshotNanoseconds =
                Int(MonotonicClock.nanoseconds &- oldest.begun)
        }
        result.keptBytes = snapshots.keptUnits.bytes
        result.mediaFaults = log.medium.faultCount
        for segment in log.segments.all {
            let role = log.segments.role(segment)
            switch role.phase {
            case .free: result.freeSegments += 1
            case .checkpoint: result.checkpointBytes += role.span * geometry.segmentSize
            case .quarantined: result.quarantinedSegments += role.span
            case .open, .sealed, .limbo, .continuation: break
            }
            result.liveBytes += liveness.liveUnits(segment).bytes
            result.tombstoneBytes += liveness.tombstoneUnits(segment).bytes
        }
        return result
    }
}
