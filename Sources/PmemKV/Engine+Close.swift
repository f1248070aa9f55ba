import CPmem

extension Engine {
    /// Makes everything durable, leaves a checkpoint where it pays, marks the pool clean, and
    /// gives up the medium. A failed store is only given up: the next open recovers it.
    ///
    /// Operations that run meanwhile finish first; later ones throw `closed`.
    package func close() throws(StoreError) {
        guard cpmem_compare_exchange(control + ControlWord.closed.rawValue, 0, 1) else { return }
        awaitOperations()
        defer { medium.backing.close() }
        if isReadOnly || self[.failed] != 0 || cpmem_fork_count() != self[.forkCount] { return }
        try finishLog()
        try noteTails()
        try superblock.update(medium) {
            $0.state = UInt64(CPMEM_POOL_CLEAN.rawValue)
            $0.sequence_limit = self[.nextSequence]
        }
    }

    /// Gives up the medium as a crash would: nothing more is written.
    package func abandon() {
        guard cpmem_compare_exchange(control + ControlWord.closed.rawValue, 0, 1) else { return }
        awaitOperations()
        medium.backing.close()
    }

    /// Waits for all who came in before `closed` was set: writers own a head, a shard or a
    /// private extent, compaction its lock, readers an epoch. Whoever gets one of those later
    /// looks at `closed` again.
    ///
    /// One lock at a time: the owner of a head may be waiting for the compaction lock.
    private func awaitOperations() {
        for number in 0..<headCount { passThrough((heads + number).spin) }
        passThrough(compactionLock)
        for shard in index.shards { index.lock(ofShard: shard).passThrough() }
        var round = 0
        while epochs.hasReaders || self[.privateWriters] != 0 {
            SpinWait.wait(round: round)
            round += 1
        }
        if cpmem_fork_count() == self[.forkCount] { segments.stopPrefaulting() }
    }

    /// I14: what stays open is durable up to here, so that damage in it cannot pass for a torn
    /// tail later. The words are durable before the superblock calls the pool clean.
    private func noteTails() throws(StoreError) {
        for number in 0...headCount {
            let head = heads[number]
            guard head.segment >= 0, head.position > 0 else { continue }
            medium.store(
                TailWord(salt: head.salt, endUnits: head.position).rawValue,
                to: geometry.line(ofSegment: head.segment) + 16, site: .tail)
        }
        try medium.drain(site: .tailDrain)
    }

    private func passThrough(_ lock: SpinLock) {
        lock.lock()
        lock.unlock()
    }

    private func finishLog() throws(StoreError) {
        for number in 0...headCount { flushRelaxed(heads + number) }
        try medium.drain(site: .syncDrain)
        for number in 0...headCount { heads[number].noteAllDurable() }
        _ = try reclaimLimbo()
        let changes = index.total(.puts) + index.total(.removes)
        guard self[.recordsReplayed] + changes >= UInt64(options.checkpointThreshold) else {
            return
        }
        // After much work, long open extents are sealed, so that the next open need not walk
        // them; after little, they are continued.
        for number in 0...headCount where segments.freeCount > headCount * 4 {
            let head = heads + number
            if head.pointee.position > geometry.segmentUnits / 8 { try sealIfOpen(head) }
        }
        try writeCheckpoint()
    }
}
