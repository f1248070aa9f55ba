import CPmem

/// Copying what is alive out of the emptiest extents, so that they can be reused.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I6: an extent is retired only when the copies of all its live records are durable, and freed
///   only when no reader can be in it.
/// - I7: a copy keeps the sequence number of its original.
/// - I8: a tombstone is dropped only when a newer record of its key is in the index, or when no
///   superseded put with a lower number is left in any other extent.
/// - Whether a record is alive is asked under its shard's lock: a writer holds that lock from
///   before it appends until the index knows the record.
/// - One compaction at a time (compaction lock).
extension Engine {
    /// Compacts until nothing more can be gained.
    func compactAll() throws(StoreError) {
        try checkWritable()
        for number in 0..<headCount {
            let head = heads + number
            head.spin.lock()
            defer { head.spin.unlock() }
            try checkReadable()
            let segment = head.pointee.segment
            guard segment >= 0,
                head.pointee.position > segments.liveUnits(segment)
            else { continue }
            try guarded { () throws(StoreError) in try sealIfOpen(head) }
        }
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try checkReadable()
        // Every round removes garbage, or leaves fewer extents, so this ends.
        while try compactOne(minimumGain: 1) { _ = try reclaimLimbo() }
        _ = try reclaimLimbo()
    }

    /// Compacts the extent that gives most for least. Returns whether there was one that gives
    /// at least minimumGain units. Compaction lock held.
    func compactOne(minimumGain: Int) throws(StoreError) -> Bool {
        var tried: Set<Int> = []
        while let victim = chooseVictim(minimumGain: minimumGain, except: tried)
            ?? chooseMerger(except: tried)
        {
            if try compact(victim) { return true }
            // A record longer than a segment stays where it is; another extent may do better.
            tried.insert(victim)
        }
        return false
    }

    /// Units that compaction of an extent would not have to copy; zero when it has no garbage.
    ///
    /// Space behind the records counts only beside garbage: moving live records to an equally
    /// long extent gains nothing, and would be tried for ever.
    private func reclaimable(_ segment: Int, _ oldest: OldestDead) -> Int {
        let rest =
            segments.states[segment].life.span * geometry.segmentUnits
            - segments.liveUnits(segment)
        let tombstones = Int(segments.value(segment, .tombstoneUnits))
        let canDropTombstones = oldest.except(segment) == .max
        if tombstones > 0, canDropTombstones { return rest }
        return segments.value(segment, .oldestDead) == .max ? 0 : rest - tombstones
    }

    /// Greedy by gain, with age as tie-break: the emptiest extent, and where tombstones alone
    /// keep extents full, the one whose garbage keeps most tombstones from being dropped.
    private func chooseVictim(minimumGain: Int, except tried: Set<Int>) -> Int? {
        var best: (segment: Int, gain: Double)?
        var oldest: (segment: Int, dead: UInt64)?
        let room = compactionRoom
        let allDead = segments.oldestDead()
        for segment in 0..<geometry.segmentCount
        where segments.states[segment].phase == .sealed && !tried.contains(segment) {
            let span = segments.states[segment].life.span
            let live = segments.liveUnits(segment)
            let tombstones = Int(segments.value(segment, .tombstoneUnits))
            // A conservative bound: each live record may also need a share of a summary.
            guard live + tombstones <= room else { continue }
            let gain = reclaimable(segment, allDead)
            if gain >= minimumGain {
                let worth = Double(gain) / Double(span * geometry.segmentUnits)
                if best.map({ worth > $0.gain }) ?? true { best = (segment, worth) }
            }
            // Tombstones alone are no reason: copied as they are, they would be a victim again.
            let dead = cpmem_load_seq_cst(segments.counter(segment, .oldestDead))
            if dead != .max, oldest.map({ dead < $0.dead }) ?? true { oldest = (segment, dead) }
        }
        // When only little is dead anywhere, the oldest of it keeps most tombstones.
        return best?.segment ?? oldest?.segment
    }

    /// An extent without garbage that leaves a segment free when its records join others: every
    /// crash seals extents that are not full, and without this each restart would cost space.
    private func chooseMerger(except tried: Set<Int>) -> Int? {
        var least: (segment: Int, units: Int)?
        var second: Int?
        for segment in 0..<geometry.segmentCount
        where segments.states[segment].phase == .sealed && segments.states[segment].life.span == 1
            && !tried.contains(segment)
        {
            let units =
                segments.liveUnits(segment)
                + Int(segments.value(segment, .tombstoneUnits))
            if least.map({ units < $0.units }) ?? true {
                second = least?.units
                least = (segment, units)
            } else if second.map({ units < $0 }) ?? true {
                second = units
            }
        }
        guard let least else { return nil }
        // A record takes a unit at least, so there are no more records than units.
        let head = compactionHead.pointee
        if head.fits(units: least.units, entries: least.units) { return least.segment }
        guard let second, segments.freeCount > 0 else { return nil }
        let both = least.units + second
        return both + LogHead.summaryUnits(both) <= geometry.segmentUnits ? least.segment : nil
    }

    /// Units that compaction can write before it frees anything.
    private var compactionRoom: Int {
        let head = compactionHead.pointee
        let rest = head.segment >= 0 ? max(0, head.capacity - head.position) : 0
        return rest + segments.freeCount * geometry.segmentUnits
    }

    /// A record on the move.
    private struct Move {
        let hash: KeyHash
        let old: Location
        let new: Location
        let units: Int
        let sequence: UInt64
        let isTombstone: Bool
    }

    /// Moves the live records of an extent away and retires it. False when that is impossible
    /// now: no room for the copies, or damage that only repair may touch.
    func compact(_ segment: Int) throws(StoreError) -> Bool {
        let base = geometry.firstLocation(ofSegment: segment).units
        let entries: [cpmem_summary_entry]
        do throws(StoreError) {
            entries = try ExtentReader(self).sealedEntries(segment)
        } catch {
            // Its other records stay readable where they are.
            segments.setPhase(segment, .quarantined)
            return true
        }
        awaitPublishers()
        let droppable = segments.oldestDead().except(segment)
        var moves: [Move] = []
        for entry in entries {
            let location = Location(units: base + UInt64(entry.offset_units))
            switch try copyIfAlive(entry, at: location, tombstonesBelow: droppable) {
            case .dead: continue
            case .moved(let target):
                moves.append(
                    Move(
                        hash: entry.hash, old: location, new: target, units: entry.units,
                        sequence: entry.sequence, isTombstone: entry.isTombstone))
            case .noRoom:
                try finishMoves(moves)
                return false
            case .damaged:
                try finishMoves(moves)
                segments.setPhase(segment, .quarantined)
                return true
            }
        }
        try finishMoves(moves)
        segments.retire(segment, epoch: epochs.now)
        add(1, to: .compactionRounds)
        add(UInt64(segments.states[segment].life.span), to: .compactedSegments)
        return true
    }

    /// Waits until every writer that had appended before has also published.
    ///
    /// A writer gives its head back before it publishes, so an extent can be sealed and chosen
    /// while the put that a tombstone in it superseded is not yet counted as superseded; the
    /// tombstone would look droppable. Writers hold their shard until all is counted.
    private func awaitPublishers() {
        for shard in index.shards { index.lock(ofShard: shard).passThrough() }
    }

    private enum Outcome {
        case dead
        case moved(Location)
        case noRoom
        case damaged
    }

    private func copyIfAlive(
        _ entry: cpmem_summary_entry, at location: Location, tombstonesBelow droppable: UInt64
    ) throws(StoreError) -> Outcome {
        let lock = index.lock(of: entry.hash)
        lock.lock()
        if entry.isTombstone {
            lock.unlock()
            guard entry.sequence > droppable else { return .dead }
        } else {
            let alive = index.place(of: entry.hash, holding: location) != nil
            lock.unlock()
            guard alive else { return .dead }
        }
        let outcome: Outcome?
        do throws(StoreError) {
            outcome = try move(entry, at: location)
        } catch {
            guard error.code == .corrupt || error.code == .media, self[.failed] == 0 else {
                throw error
            }
            return .damaged
        }
        return outcome ?? .damaged
    }

    /// Copies one record, verified; damage is never propagated under a fresh checksum. The room for
    /// it, its number and its kind come from the summary, so the record has to say the same.
    private func move(
        _ entry: cpmem_summary_entry, at location: Location
    ) throws(StoreError) -> Outcome? {
        let lock = index.lock(of: entry.hash)
        return try withRecord(at: location) { record throws(StoreError) -> Outcome? in
            guard self.isSound(record), record.units == entry.units,
                record.sequence == entry.sequence, record.isTombstone == entry.isTombstone,
                self.index.hash(record.key) == entry.hash
            else { return .damaged }
            if entry.isTombstone {
                // A newer record of the key makes the tombstone superfluous.
                lock.lock()
                defer { lock.unlock() }
                if try self.locate(record.key, entry.hash) != nil { return .dead }
            }
            guard try self.readyCompactionHead(units: entry.units) else { return .noRoom }
            let copy = self.append(
                RecordSource(
                    tombstone: entry.isTombstone, hash: entry.hash, key: record.key,
                    value: record.value),
                sequence: entry.sequence, batchRemaining: 0, to: self.compactionHead,
                site: .compactionRecord, deferred: false)
            return .moved(copy)
        }
    }

    /// Makes sure that the compaction head has room; it may use the last free segment.
    private func readyCompactionHead(units: Int) throws(StoreError) -> Bool {
        let head = compactionHead
        if head.pointee.fits(units: units, entries: 1) { return true }
        return try guarded { () throws(StoreError) in
            guard units + LogHead.summaryUnits(1) <= geometry.segmentUnits,
                let segment = try segments.take(span: 1, reserve: 0, state: .log)
            else { return false }
            // What was copied so far becomes durable here, but the index learns it later: the
            // extent that is sealed cannot be a victim before, since this holds the lock.
            try sealIfOpen(head)
            head.pointee.begin(
                segment: segment, span: 1, geometry: geometry,
                salt: segments.states[segment].salt)
            return true
        }
    }

    /// Makes the copies durable, then lets the index point to those whose original still counts.
    private func finishMoves(_ moves: [Move]) throws(StoreError) {
        guard !moves.isEmpty else { return }
        try guarded { () throws(StoreError) in try medium.drain(site: .compactionDrain) }
        compactionHead.pointee.durableUnits = compactionHead.pointee.position
        for move in moves {
            if move.isTombstone { continue }
            let lock = index.lock(of: move.hash)
            lock.lock()
            if let place = index.place(of: move.hash, holding: move.old) {
                index.replace(place, of: move.hash, by: move.new)
                segments.recordDied(move.old, units: move.units, sequence: move.sequence)
            } else {
                // Overwritten or deleted meanwhile: the copy was dead before it was born.
                segments.recordDied(move.new, units: move.units, sequence: move.sequence)
            }
            lock.unlock()
        }
        add(UInt64(moves.reduce(0) { $0 + $1.units }), to: .compactedUnits)
    }

    /// Makes `span` neighbouring segments free by compacting what lies in the window that holds
    /// least. Compaction lock held.
    func emptyWindow(span: Int) throws(StoreError) -> Bool {
        guard let window = cheapestWindow(span: span) else { return false }
        segments.searchNext(from: window.upperBound)
        var progressed = false
        for segment in window {
            switch segments.states[segment].phase {
            case .sealed:
                guard try compact(segment) else { return progressed }
                progressed = true
            case .free, .limbo, .continuation, .open, .quarantined, .checkpoint: continue
            }
        }
        _ = try reclaimLimbo()
        return progressed
    }

    /// The window of neighbouring segments with the fewest live units, no part of which is held
    /// by a head, the checkpoint, or an extent that reaches out of it.
    private func cheapestWindow(span: Int) -> Range<Int>? {
        var best: (start: Int, live: Int)?
        let room = (segments.freeCount - 1) * geometry.segmentUnits
        guard span <= geometry.segmentCount else { return nil }
        for start in 0...(geometry.segmentCount - span) {
            let window = start..<(start + span)
            var live = 0
            let usable = window.allSatisfy { segment in
                let state = segments.states[segment]
                switch state.phase {
                case .free, .limbo: return true
                case .open, .quarantined, .checkpoint: return false
                case .continuation: return window.contains(Int(state.first))
                case .sealed:
                    live += segments.liveUnits(segment)
                    live += Int(segments.value(segment, .tombstoneUnits))
                    return segment + state.life.span <= window.upperBound
                }
            }
            // Copies must not have to go into the window itself.
            let free = window.filter { segments.states[$0].phase == .free }.count
            guard usable, live <= room - free * geometry.segmentUnits else { continue }
            if best.map({ live < $0.live }) ?? true { best = (start, live) }
        }
        return best.map { $0.start..<($0.start + span) }
    }
}
