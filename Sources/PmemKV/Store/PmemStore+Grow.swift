extension PmemStore {
    /// Makes the pool larger, in place, while it is open: a file gets the blocks it lacks, and
    /// their segments are free when this returns. After a crash the pool has the old size or the
    /// new one, and all that was in it.
    ///
    /// From any thread; reads and writes go on meanwhile, but for writes that wait for compaction.
    /// Growing twice at the same time happens one after the other.
    ///
    /// - Parameter bytes: the size to be, as for a new pool: what is left behind the last whole
    ///   segment is not used. The size that there is changes nothing.
    /// - Throws: `invalidArgument` for less than there is, for too little to hold another segment,
    ///   and for more than ``Statistics/maximumPoolBytes``, which is fixed when a pool is created;
    ///   `outOfSpace` when the file system has no room, and then the pool stays as it was;
    ///   `unsupported` for a devdax device, and where addresses could not be reserved; `readOnly`,
    ///   `closed`; `insideCallback` in the transform of an update; `io` or `media` when the medium
    ///   failed: the store then refuses writes until it is opened again.
    /// - Complexity: that of allocating the blocks, and 64 bytes a new segment; some system calls.
    public func grow(to bytes: Int) throws(StoreError) { try engine.grow(to: bytes) }
}

extension Engine {
    /// The order is the point (I15): the bytes are the medium's, the lines of the new segments
    /// stand in the table, both superblocks count them, each durably before the next; then others
    /// may see them.
    fileprivate func grow(to bytes: Int) throws(StoreError) {
        try gate.checkWritable()
        space.compactionLock.lock()
        defer { space.compactionLock.unlock() }
        try gate.checkReadable()
        let old = log.segments.size
        guard bytes != old.bytes else { return }
        let size = try checkedSize(bytes, from: old)
        try gate.guarded { () throws(StoreError) in
            try log.medium.grow(to: bytes, from: old.bytes)
        }
        try gate.failing { () throws(StoreError) in
            try PoolFormat.grow(log.root, of: geometry, to: size, on: log.medium)
        }
        space.extend(to: size)
    }

    private func checkedSize(_ bytes: Int, from old: PoolSize) throws(StoreError) -> PoolSize {
        guard bytes > old.bytes else {
            throw StoreError(
                .invalidArgument, "the pool has \(old.bytes) bytes and cannot become smaller")
        }
        if let obstacle = log.medium.growthObstacle {
            throw StoreError(.unsupported, "the pool cannot grow: \(obstacle)")
        }
        guard bytes < geometry.reach else {
            throw StoreError(
                .invalidArgument,
                "the pool may have at most \(maximumPoolBytes) bytes, which was fixed when it was "
                    + "created; 'pmemkv backup --size' makes a larger copy")
        }
        let size = geometry.size(of: bytes)
        guard size.segments > old.segments else {
            throw StoreError(
                .invalidArgument,
                "\(bytes) bytes have no room for another segment, which takes a pool of "
                    + "\(geometry.bytes(ofSegments: old.segments + 1))")
        }
        return size
    }

    /// Bytes that the pool may grow to; those it has where it cannot.
    var maximumPoolBytes: Int {
        let bytes = log.segments.size.bytes
        guard log.medium.growthObstacle == nil else { return bytes }
        return max(bytes, geometry.bytes(ofSegments: geometry.segmentLimit))
    }
}
