import Synchronization

/// Copying what is alive out of an extent, so that it can be reused.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I7: a copy keeps the sequence number of its original.
/// - I8: a tombstone is dropped only when ``Liveness`` lets it go.
/// - The compaction lock is held; the compaction head belongs to its holder.
extension Space {
    /// Compacts until nothing more can be gained.
    func compactAll() throws(StoreError) {
        try gate.checkWritable()
        for head in log.writerHeads {
            let owned = head.own()
            try gate.checkReadable()
            guard let extent = owned.extent, owned.position > liveness.liveUnits(extent)
            else { continue }
            try log.seal(owned)
        }
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try gate.checkReadable()
        // Every round removes garbage, or leaves fewer extents, so this ends.
        while try compactOne(minimumGain: Units(1), minimumSlack: .zero) { try reclaimLimbo() }
        try reclaimLimbo()
    }

    /// Compacts the extent that gives most for least; when none gives at least minimumGain, merges
    /// extents that have at least minimumSlack of unused room. Returns whether that changed
    /// anything. Compaction lock held.
    func compactOne(
        minimumGain: Units, minimumSlack: Units
    ) throws(StoreError) -> Bool {
        let head = log.compactionHead.own()
        var tried: Set<SegmentNumber> = []
        while let victim = chooseVictim(head, minimumGain: minimumGain, except: tried) {
            if try compact(victim, into: head) { return true }
            // A record longer than a segment stays where it is; another extent may do better.
            tried.insert(victim)
        }
        return try merge(into: head, minimumSlack: minimumSlack)
    }

    /// Moves the records of extents that are not full together, if that leaves a segment free:
    /// every crash seals extents that are not full, and without this each restart would cost space.
    private func merge(
        into head: borrowing OwnedHead, minimumSlack: Units
    ) throws(StoreError) -> Bool {
        try compact(chooseMergers(into: head.room, minimumSlack: minimumSlack), into: head)
    }

    /// Moves records together so that so many segments become free. Returns whether there was a way
    /// to; if not, nothing has changed. Compaction lock held.
    func pack(freeing count: Int) throws(StoreError) -> Bool {
        let extents = extentsToPack(freeing: count)
        guard !extents.isEmpty else { return false }
        let head = log.compactionHead.own()
        // The way was found for records that begin a segment.
        try log.seal(head)
        return try compact(extents, into: head)
    }

    private func compact(
        _ extents: [SegmentNumber], into head: borrowing OwnedHead
    ) throws(StoreError) -> Bool {
        for extent in extents {
            guard try compact(extent, into: head) else { return false }
            // The next one may need the segment.
            try reclaimLimbo()
        }
        return !extents.isEmpty
    }

    /// A record on the move.
    private struct Move {
        let entry: SummaryEntry
        let old: Location
        let new: Location
    }

    /// Moves the live records of an extent away and retires it. False when that is impossible
    /// now: no room for the copies.
    ///
    /// - Parameter window: segments that are being emptied, where no copy may go.
    func compact(
        _ extent: SegmentNumber, into head: borrowing OwnedHead,
        outside window: Range<SegmentNumber>? = nil
    ) throws(StoreError) -> Bool {
        let start = segments.geometry.firstLocation(of: extent)
        let entries: [SummaryEntry]
        do throws(StoreError) {
            entries = try log.sealedEntries(extent, seed: index.seed)
        } catch {
            // Its other records stay readable where they are.
            segments.quarantine(extent)
            return true
        }
        awaitPublishers()
        let horizon = liveness.horizon()
        var moves: [Move] = []
        for entry in entries {
            let location = start + entry.offset
            guard liveness.isNeeded(entry, at: location, in: extent, horizon) else { continue }
            guard try makeReady(head, units: entry.units, outside: window) else {
                try finish(moves, head)
                return false
            }
            switch try copy(entry, at: location, into: head) {
            case .dead: continue
            case .moved(let target):
                moves.append(Move(entry: entry, old: location, new: target))
            case .damaged:
                try finish(moves, head)
                segments.quarantine(extent)
                return true
            }
        }
        try finish(moves, head)
        guard try releaseSlots(of: extent, entries) else {
            segments.quarantine(extent)
            return true
        }
        segments.retire(extent, epoch: records.epochs.now)
        compactions.add(1, ordering: .relaxed)
        return true
    }

    /// Waits until every writer that had appended before has also published.
    ///
    /// A writer gives its head back before it publishes, so an extent can be sealed and chosen
    /// while the put that a tombstone in it superseded is not yet counted as superseded; the
    /// tombstone would look droppable. Writers hold their shard until all is counted.
    private func awaitPublishers() { index.passThroughAllShards() }

    private enum Outcome {
        case dead
        case moved(Location)
        /// Only repair may touch it.
        case damaged
    }

    /// Copies a record that is needed, unless it turns out that it is not.
    private func copy(
        _ entry: SummaryEntry, at location: Location, into head: borrowing OwnedHead
    ) throws(StoreError) -> Outcome {
        do throws(StoreError) {
            return try move(entry, at: location, into: head) ?? .damaged
        } catch {
            guard error.code == .corrupt || error.code == .media, !gate.isFailed else {
                throw error
            }
            return .damaged
        }
    }

    /// Copies one record, verified; damage is never propagated under a fresh checksum. The room for
    /// it, its number and its kind come from the summary, so the record has to say the same.
    private func move(
        _ entry: SummaryEntry, at location: Location, into head: borrowing OwnedHead
    ) throws(StoreError) -> Outcome? {
        try log.withRecord(at: location) { record throws(StoreError) -> Outcome? in
            guard record.isSound, record.units == entry.units,
                record.sequence == entry.number, record.kind == entry.kind,
                self.records.hash(record.key) == entry.hash
            else { return .damaged }
            if !entry.kind.isFound,
                try self.liveness.isSuperseded(tombstone: record.key, entry.hash)
            {
                return .dead
            }
            let source = RecordSource(
                kind: entry.kind, hash: entry.hash, key: record.key, value: record.value)
            return .moved(
                self.log.append(source, sequence: entry.number, to: head, site: .compactionRecord))
        }
    }

    /// Makes sure that the compaction head has room; it may use the last free segment.
    private func makeReady(
        _ head: borrowing OwnedHead, units: Units, outside window: Range<SegmentNumber>?
    ) throws(StoreError) -> Bool {
        if head.fits(units: units, entries: 1) { return true }
        guard !log.isAlone(units),
            let segment = try take(span: 1, reserve: 0, state: .log, outside: window)
        else { return false }
        // What was copied so far becomes durable here, but the index learns it later: the extent
        // that is sealed cannot be a victim before, since this holds the lock.
        try log.seal(head)
        head.begin(segment, of: segments)
        return true
    }

    /// Makes the copies durable, then lets the index point to those whose original still counts.
    private func finish(_ moves: [Move], _ head: borrowing OwnedHead) throws(StoreError) {
        guard !moves.isEmpty else { return }
        try gate.guarded { () throws(StoreError) in
            try log.medium.drain(site: .compactionDrain)
        }
        head.noteAllDurable()
        var units = Units.zero
        for move in moves {
            units += move.entry.units
            guard move.entry.kind.isFound else { continue }
            index.lock(of: move.entry.hash).withLock {
                if let place = index.place(of: move.entry.hash, holding: move.old) {
                    ordered?.distrust(move.old)
                    index.replace(place, of: move.entry.hash, by: move.new)
                    liveness.noteDead(move.old, move.entry.units, move.entry.number)
                } else {
                    // Overwritten or deleted meanwhile: the copy was dead before it was born.
                    liveness.noteDead(move.new, move.entry.units, move.entry.number)
                }
            }
        }
        compactedUnits.add(units.count, ordering: .relaxed)
    }
}
