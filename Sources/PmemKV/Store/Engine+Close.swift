extension Engine {
    /// Makes everything durable, leaves a checkpoint where it pays, marks the pool clean, and
    /// gives up the medium. A failed store is only given up: the next open recovers it.
    ///
    /// Operations that run meanwhile finish first, bodies of callers included; later ones throw
    /// `closed`. A callback on this thread would be waited for by itself: it throws.
    package func close() throws(StoreError) {
        try gate.checkOutsideCallbacks()
        guard gate.close() else { return }
        awaitOperations()
        defer { log.medium.close() }
        if gate.isReadOnly || gate.isFailed || gate.isForked { return }
        try finishLog()
        try log.noteTails()
        // In both copies: should the newest one be damaged later, the other still says it.
        try log.root.update { block in
            block.features.remove(.incomplete) != nil
        }
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

    /// Waits for all who came in before the gate closed. Whoever owns a head, or gets the
    /// compaction lock or an epoch, later than that looks at the gate again.
    ///
    /// The order is that in which a write goes on: it owns a head, which may have it wait for the
    /// compaction lock; when it gives the head back it holds its shards, until readers can find
    /// what it wrote. Readers are in an epoch; bodies of callers have a frame.
    ///
    /// In a forked child there is nobody to wait for: it has no threads but its own, and what those
    /// of its parent held stays held for ever.
    private func awaitOperations() {
        if gate.isForked { return }
        for head in log.writerHeads { head.passThrough() }
        space.compactionLock.passThrough()
        index.passThroughAllShards()
        SpinWait.until { !records.epochs.hasReaders }
        SpinWait.until { !gate.callbacks.areRunning }
        space.stopCompactor()
        log.segments.stopPrefaulting()
    }

    private func finishLog() throws(StoreError) {
        space.endAllSnapshots()
        // The next process would find the copies dead, and in the way.
        _ = try space.finishVictim()
        try log.syncAtOnce()
        try space.reclaimLimbo()
        let changes = replayed + Int(index.changes) + tables.goneCount
        // A checkpoint speaks of no floors: none is made with items in it that are below one.
        guard changes >= options.checkpointThreshold, tables.staleCount == 0 else { return }
        // After much work, long open extents are sealed, so that the next open need not walk
        // them; after little, they are continued.
        for head in log.allHeads where space.hasRoomForAllHeads {
            let owned = head.own()
            if owned.position.count > geometry.segmentUnits.count / 8 { try log.seal(owned) }
        }
        try space.writeCheckpoint()
    }
}
