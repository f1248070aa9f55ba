import Synchronization

extension Engine {
    /// Makes everything durable, leaves a checkpoint where it pays, marks the pool clean, and
    /// gives up the medium. A failed store is only given up: the next open recovers it.
    ///
    /// Operations that run meanwhile finish first; later ones throw `closed`.
    package func close() throws(StoreError) {
        guard gate.close() else { return }
        awaitOperations()
        defer { log.medium.close() }
        if gate.isReadOnly || gate.isFailed || gate.isForked { return }
        try finishLog()
        try log.noteTails()
        let next = log.sequences.upcoming
        try log.root.update { block in
            block.isClean = true
            block.sequenceLimit = next
            return true
        }
    }

    /// Gives up the medium as a crash would: nothing more is written.
    package func abandon() {
        guard gate.close() else { return }
        awaitOperations()
        log.medium.close()
    }

    /// Waits for all who came in before the gate closed: writers own a head, a shard or a
    /// private extent, compaction its lock, readers an epoch. Whoever gets one of those later
    /// looks at the gate again.
    ///
    /// One lock at a time: the owner of a head may be waiting for the compaction lock.
    private func awaitOperations() {
        for head in log.writerHeads { head.passThrough() }
        space.compactionLock.passThrough()
        index.passThroughAllShards()
        var round = 0
        while records.epochs.hasReaders
            || log.privateWriters.load(ordering: .sequentiallyConsistent) != 0
        {
            SpinWait.wait(round: round)
            round += 1
        }
        if !gate.isForked { log.segments.stopPrefaulting() }
    }

    private func finishLog() throws(StoreError) {
        try log.syncAtOnce()
        try space.reclaimLimbo()
        let changes = replayed + Int(index.total(.puts) + index.total(.removes))
        guard changes >= options.checkpointThreshold else { return }
        // After much work, long open extents are sealed, so that the next open need not walk
        // them; after little, they are continued.
        for head in log.allHeads where space.hasRoomForAllHeads {
            let owned = head.own()
            if owned.position.count > geometry.segmentUnits.count / 8 { try log.seal(owned) }
        }
        try space.writeCheckpoint()
    }
}
