/// Applies the records of extents to the index. Safe from several threads.
struct Replay: Sendable {
    let log: Log
    let records: RecordIndex
    let liveness: Liveness
    let reader: ExtentReader

    struct Outcome {
        var contents: ExtentContents
        var applied = 0
        var tombstones: [(KeyHash, Location)] = []
    }

    /// Entries whose buckets are on their way to the processor.
    private static let lookahead = 12

    /// What is to be replayed of an extent that a checkpoint does not cover.
    func contents(
        of extent: SegmentNumber, covered: Units
    ) throws(StoreError) -> ExtentContents {
        // Whoever writes adopts or seals an open extent and needs all of it.
        let first = log.gate.isReadOnly ? covered : .zero
        let contents =
            log.segments.phase(extent) == .sealed
            ? try reader.sealed(log.segments.extent(extent))
            : try reader.walk(log.segments.extent(extent), from: first)
        if let lost = contents.lost.first { throw reader.lostRecord(extent, at: lost).refusal }
        return contents
    }

    /// Replays what a checkpoint does not cover of an extent's contents.
    func apply(
        _ contents: ExtentContents, of extent: SegmentNumber, covered: Units
    ) throws(StoreError) -> Outcome {
        var result = Outcome(contents: contents)
        let start = log.geometry.firstLocation(of: extent)
        for (number, entry) in contents.entries.enumerated() where entry.offset >= covered {
            if number + Self.lookahead < contents.entries.count {
                records.index.prefetch(contents.entries[number + Self.lookahead].hash)
            }
            let location = start + entry.offset
            try apply(entry, at: location)
            if !entry.kind.isFound { result.tombstones.append((entry.hash, location)) }
            result.applied += 1
        }
        return result
    }

    /// What an item of the index stands for, its record's own word or, when that is damaged, the
    /// word of its extent's summary.
    private struct Known {
        let hash: KeyHash
        let sequence: SequenceNumber
        let units: Units
        let kind: RecordKind
        let isIntact: Bool
    }

    /// Lets a record take part: it enters the index if it counts more than what stands there for
    /// its key.
    private func apply(_ entry: SummaryEntry, at location: Location) throws(StoreError) {
        let index = records.index
        let lock = index.lock(of: entry.hash)
        lock.lock()
        defer { lock.unlock() }
        let previous = try index.locate(entry.hash) {
            old throws(StoreError) -> (location: Location, known: Known)? in
            let known = try self.known(old)
            guard known.hash == entry.hash else { return nil }
            if known.isIntact {
                guard try self.haveSameKey(old, location) else { return nil }
            }
            return (old, known)
        }
        log.segments.noteAppended(log.segments.extent(of: location), entry.kind, entry.units)
        guard let previous else { return try index.insert(entry.hash, location) }
        let (old, known) = previous.found
        if liveness.supersedes(entry.number, at: location, known.sequence, at: old) {
            index.replace(previous.place, of: entry.hash, by: location)
            liveness.noteSuperseded(known.kind, old, known.units, known.sequence)
        } else {
            liveness.noteSuperseded(entry.kind, location, entry.units, entry.number)
        }
    }

    private func known(_ location: Location) throws(StoreError) -> Known {
        let own = try log.withRecord(at: location) { record -> Known? in
            guard record.knowsKey, let kind = record.kind else { return nil }
            return Known(
                hash: self.records.hash(record.key), sequence: record.sequence,
                units: record.units, kind: kind, isIntact: true)
        }
        if let own { return own }
        let extent = log.segments.extent(of: location)
        let offset = location - log.geometry.firstLocation(of: extent)
        let entries = try reader.sealed(log.segments.extent(extent)).entries
        guard let entry = entries.first(where: { $0.offset == offset }) else {
            throw reader.lostRecord(extent, at: offset).refusal
        }
        return Known(
            hash: entry.hash, sequence: entry.number, units: entry.units, kind: entry.kind,
            isIntact: false)
    }

    /// Two records with the same 64-bit hash: whether their keys are the same. A damaged one is
    /// taken at its hash's word.
    private func haveSameKey(_ old: Location, _ new: Location) throws(StoreError) -> Bool {
        let same = try log.withRecord(at: old) { first throws(StoreError) -> Bool? in
            try self.log.withRecord(at: new) { second -> Bool? in
                second.knowsKey ? second.hasKey(first.key) : true
            }
        }
        return same ?? true
    }
}
