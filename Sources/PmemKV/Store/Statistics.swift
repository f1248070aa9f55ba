import Synchronization

/// Numbers about a store. Counters count from when it was opened.
public struct Statistics: Sendable, Equatable {
    /// Keys in the store.
    public var keys = 0
    /// Bytes of the pool.
    public var poolBytes = 0
    /// Bytes of the file behind the pool, which nothing uses: it has grown since its creation.
    public var unusedBytes = 0
    /// Bytes of a segment.
    public var segmentBytes = 0
    public var segments = 0
    public var freeSegments = 0
    /// Bytes of records that are the newest of their key, headers and padding included.
    public var liveBytes = 0
    /// Bytes of tombstones on the medium.
    public var tombstoneBytes = 0
    /// Bytes of the index checkpoint on the medium.
    public var checkpointBytes = 0
    /// Bytes of DRAM that the index takes.
    public var indexBytes = 0
    /// Segments whose damage keeps them from being compacted.
    public var quarantinedSegments = 0
    public var puts = 0
    public var removes = 0
    /// Extents that compaction emptied, and what it copied out of them.
    public var compactions = 0
    public var compactedBytes = 0
    /// Media faults seen under the mapping.
    public var mediaFaults = 0
}

extension PmemStore {
    /// A snapshot of the store's numbers. O(segments).
    public var statistics: Statistics { engine.statistics }
}

extension Engine {
    fileprivate var statistics: Statistics {
        var result = Statistics()
        result.keys = index.count
        result.poolBytes = geometry.poolSize
        result.unusedBytes = log.medium.size - geometry.poolSize
        result.segmentBytes = geometry.segmentSize
        result.segments = geometry.segmentCount
        result.indexBytes = index.memoryBytes + (ordered?.memoryBytes ?? 0)
        result.puts = Int(index.total(.puts))
        result.removes = Int(index.total(.removes))
        result.compactions = space.compactions.load(ordering: .relaxed)
        result.compactedBytes = Units(space.compactedUnits.load(ordering: .relaxed)).bytes
        result.mediaFaults = log.medium.faultCount
        for segment in geometry.segments {
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
