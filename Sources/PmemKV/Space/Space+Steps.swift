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
        guard victim.isRead else { return read(consume victim, budget) }
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
        for number in 0..<Self.bucketLookahead {
            if let entry = victim.ahead(number) { index.prefetch(entry.hash) }
        }
        let (log, seed) = (log, index.seed)
        var number = 0
        while true {
            if number == moves.count {
                survey(&victim, &moves, &budget, upTo: number + Self.recordsAtOnce)
                guard number < moves.count else { return .spent }
            }
            let move = moves[number]
            guard try makeReady(head, units: move.entry.units, outside: window) else {
                return .stuck
            }
            switch try copy(move.entry, at: move.old, into: head, log, seed: seed) {
            case .dead: break
            case .moved(let target): moves[number].new = target
            case .damaged: return .damaged
            }
            number += 1
        }
    }

    /// Entries ahead whose buckets are on their way to the processor.
    private static let bucketLookahead = 24
    /// Needed records that are on their way at once. All of them before the first is copied: loads
    /// between the copies would take the buffers of these, which bypass the cache.
    private static let recordsAtOnce = 32

    /// Takes the next entries off the victim until so many are known whose records are needed.
    /// These are on their way to the processor from then on.
    private func survey(
        _ victim: inout Victim, _ moves: inout [Move], _ budget: inout StepBudget, upTo count: Int
    ) {
        // None of these is to be counted as in use at every entry.
        let (index, liveness, log) = (index, liveness, log)
        let isOrdered = ordered != nil
        while moves.count < count, !victim.isDone, !budget.isSpent {
            if let later = victim.ahead(Self.bucketLookahead) { index.prefetch(later.hash) }
            let entry = victim.takeNext()
            budget.passEntry()
            if isOrdered { budget.passLeaf() }
            guard
                let move = liveness.need(
                    for: entry, at: victim.start + entry.offset, in: victim.extent, victim.horizon,
                    index)
            else { continue }
            budget.copy(entry.units)
            log.prefetchRecord(
                at: move.old, lines: min(entry.units.count, RecordLayout.shortLines))
            moves.append(move)
        }
    }

    private enum Outcome {
        case dead
        case moved(Location)
        /// Only repair may touch it.
        case damaged
    }

    /// Copies a record that is needed, unless it turns out that it is not.
    @inline(__always)
    private func copy(
        _ entry: SummaryEntry, at location: Location, into head: borrowing OwnedHead,
        _ log: Log, seed: UInt64
    ) throws(StoreError) -> Outcome {
        do throws(StoreError) {
            return try move(entry, at: location, into: head, log, seed: seed) ?? .damaged
        } catch {
            guard error.code == .corrupt || error.code == .media, !gate.isFailed else {
                throw error
            }
            return .damaged
        }
    }

    /// Copies one record, verified; damage is never propagated under a fresh checksum. The room for
    /// it, its number and its kind come from the summary, so the record has to say the same.
    @inline(__always)
    private func move(
        _ entry: SummaryEntry, at location: Location, into head: borrowing OwnedHead,
        _ log: Log, seed: UInt64
    ) throws(StoreError) -> Outcome? {
        try log.withRecord(at: location) { record throws(StoreError) -> Outcome? in
            guard record.isSound, record.units == entry.units,
                record.sequence == entry.number, record.kind == entry.kind,
                record.tableKey.hash(seed: seed) == entry.hash,
                record.isExtended == entry.isExtended
            else { return .damaged }
            if !entry.kind.isFound,
                try self.liveness.isSuperseded(tombstone: record.tableKey, entry.hash)
            {
                return .dead
            }
            let source = RecordSource(
                kind: entry.kind, hash: entry.hash, key: record.tableKey, value: record.value)
            return .moved(
                log.append(
                    source, sequence: entry.number, to: head, site: .compactionRecord,
                    valueChecksum: record.valueChecksum))
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
        guard moves.contains(where: { $0.new != nil }) else { return }
        try gate.guarded { () throws(StoreError) in
            try log.medium.drain(site: .compactionDrain)
        }
        head.noteAllDurable()
        var units = Units.zero
        var died = Units.zero
        var oldest = SequenceNumber.none
        let index = index
        for move in moves {
            guard let new = move.new else { continue }
            units += move.entry.units
            guard move.entry.kind.isFound else { continue }
            let hash = move.entry.hash
            let lock = index.lock(of: hash)
            lock.lock()
            defer { lock.unlock() }
            ordered?.trusted.take(back: move.old)
            let isNamed = move.seen.map { index.move(hash, from: move.old, to: new, seen: $0) }
            if isNamed == true || moveKept(move.entry, from: move.old, to: new) {
                died += move.entry.units
                oldest = min(oldest, move.entry.number)
            } else {
                // Overwritten or deleted meanwhile: the copy was dead before it was born.
                liveness.noteDead(new, move.entry.units, move.entry.number)
            }
        }
        if died > .zero { liveness.noteDead(in: extent, died, oldest: oldest) }
        compactedUnits.add(units.count, ordering: .relaxed)
        payOff(units)
    }
}
