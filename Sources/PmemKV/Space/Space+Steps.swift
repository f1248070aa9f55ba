import Synchronization

/// Emptying an extent in steps: each copies what lives in a part of it, and can be the last one.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I7: a copy keeps the sequence number of its original.
/// - I8: a tombstone is dropped only when ``Liveness`` lets it go.
/// - A step ends with its copies durable and in the index; until then nobody else gets the
///   compaction lock.
/// - The compaction lock is held; the compaction head belongs to its holder.
extension Space {
    /// What a step has come to.
    enum Progress {
        /// There is more to copy.
        case more
        /// The extent is retired, or put aside because it is damaged.
        case done
        /// There is no room for the copies; the extent is given up, and what has been moved out of
        /// it is dead in there.
        case stuck
    }

    /// Makes an extent the victim. One that is damaged is put aside: its other records stay
    /// readable where they are.
    ///
    /// - Complexity: O(records in it): its summary is read.
    func begin(_ extent: SegmentNumber) {
        assert(underWay == nil && segments.phase(extent) == .sealed)
        garbage.forget(extent)
        guard let entries = try? log.sealedEntries(extent, seed: index.seed) else {
            segments.quarantine(extent)
            return
        }
        awaitPublishers()
        let hasTombstones = entries.contains { !$0.kind.isFound }
        underWay = Victim(
            extent, at: segments.geometry.firstLocation(of: extent), entries,
            hasTombstones ? liveness.horizon() : Horizon())
    }

    /// Waits until every writer that had appended before has also published.
    ///
    /// A writer gives its head back before it publishes, so an extent can be sealed and chosen
    /// while the put that a tombstone in it superseded is not yet counted as superseded; the
    /// tombstone would look droppable, and a record that is about to be published would look dead.
    /// Writers hold their shard until all is counted.
    private func awaitPublishers() { index.passThroughAllShards() }

    /// Goes on with the victim.
    ///
    /// - Parameter window: segments that are being emptied, where no copy may go.
    func step(
        into head: borrowing OwnedHead, _ budget: StepBudget,
        outside window: Range<SegmentNumber>? = nil
    ) throws(StoreError) -> Progress {
        guard var victim = underWay else { return .done }
        assert(segments.phase(victim.extent) == .sealed)
        // Whatever is thrown on the way leaves a store that writes no more.
        underWay = nil
        var moves: [Move] = []
        var budget = budget
        let first = victim.next
        var end = try copyPart(of: &victim, into: head, &budget, outside: window, &moves)
        try finish(moves, of: victim.extent, head)
        if end == .spent, try !releaseSlots(of: victim.entries[first..<victim.next], victim.start) {
            end = .damaged
        }
        switch end {
        case .stuck:
            segments.changed.insert(victim.extent.rawValue)
            return .stuck
        case .damaged:
            segments.quarantine(victim.extent)
            return .done
        case .spent where !victim.isDone:
            underWay = victim
            return .more
        case .spent:
            segments.retire(victim.extent, epoch: records.epochs.now)
            limbo.append(victim.extent)
            compactions.add(1, ordering: .relaxed)
            return .done
        }
    }

    private enum PartEnd {
        /// The budget is, or the victim is done.
        case spent
        case stuck
        case damaged
    }

    /// Copies what lives in the next part of the victim.
    private func copyPart(
        of victim: inout Victim, into head: borrowing OwnedHead, _ budget: inout StepBudget,
        outside window: Range<SegmentNumber>?, _ moves: inout [Move]
    ) throws(StoreError) -> PartEnd {
        var needed: [SummaryEntry] = []
        needed.reserveCapacity(Self.recordsAtOnce)
        for number in 0..<Self.bucketLookahead {
            if let entry = victim.ahead(number) { index.prefetch(entry.hash) }
        }
        while !victim.isDone, !budget.isSpent {
            needed.removeAll(keepingCapacity: true)
            survey(&victim, &needed, &budget)
            for entry in needed {
                guard try makeReady(head, units: entry.units, outside: window) else {
                    return .stuck
                }
                let location = victim.start + entry.offset
                switch try copy(entry, at: location, into: head) {
                case .dead: continue
                case .moved(let target):
                    moves.append(Move(entry: entry, old: location, new: target))
                case .damaged: return .damaged
                }
            }
        }
        return .spent
    }

    /// Entries ahead whose buckets are on their way to the processor, and records that are.
    private static let bucketLookahead = 24
    private static let recordsAtOnce = 32

    /// Takes the next entries off the victim and collects those whose records are needed, which
    /// are on their way to the processor from then on.
    private func survey(
        _ victim: inout Victim, _ needed: inout [SummaryEntry], _ budget: inout StepBudget
    ) {
        while !victim.isDone, !budget.isSpent, needed.count < Self.recordsAtOnce {
            if let later = victim.ahead(Self.bucketLookahead) { index.prefetch(later.hash) }
            let entry = victim.takeNext()
            let location = victim.start + entry.offset
            budget.passEntry()
            if ordered != nil { budget.passLeaf() }
            guard liveness.isNeeded(entry, at: location, in: victim.extent, victim.horizon) else {
                continue
            }
            budget.copy(entry.units)
            log.prefetchRecord(
                at: location, lines: min(entry.units.count, RecordLayout.shortLines))
            needed.append(entry)
        }
    }

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
    private func finish(
        _ moves: [Move], of extent: SegmentNumber, _ head: borrowing OwnedHead
    ) throws(StoreError) {
        guard !moves.isEmpty else { return }
        try gate.guarded { () throws(StoreError) in
            try log.medium.drain(site: .compactionDrain)
        }
        head.noteAllDurable()
        var units = Units.zero
        var died = Units.zero
        var oldest = SequenceNumber.none
        for move in moves {
            units += move.entry.units
            guard move.entry.kind.isFound else { continue }
            index.lock(of: move.entry.hash).withLock {
                if let place = index.place(of: move.entry.hash, holding: move.old) {
                    ordered?.distrust(move.old)
                    index.replace(place, of: move.entry.hash, by: move.new)
                    died += move.entry.units
                    oldest = min(oldest, move.entry.number)
                } else {
                    // Overwritten or deleted meanwhile: the copy was dead before it was born.
                    liveness.noteDead(move.new, move.entry.units, move.entry.number)
                }
            }
        }
        if died > .zero { liveness.noteDead(in: extent, died, oldest: oldest) }
        compactedUnits.add(units.count, ordering: .relaxed)
        payOff(units)
    }
}
