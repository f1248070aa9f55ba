/// Applies the records of extents to the index. Safe from several threads: each has shards of its
/// own, so that no two of them write to one cache line of the index.
struct Replay: Sendable {
    let log: Log
    let records: RecordIndex
    let liveness: Liveness
    let reader: ExtentReader

    /// An extent to be replayed.
    struct Work {
        let extent: SegmentNumber
        let contents: ExtentContents
        /// What a checkpoint covers of it.
        let covered: Units
    }

    /// What an extent adds to the index.
    struct Census {
        var applied = 0
        /// The hashes of one shard's records.
        var sample: [KeyHash] = []
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

    /// Counts what was appended to an extent.
    func count(_ work: Work) -> Census {
        var census = Census()
        var (puts, tombstones) = (Units.zero, Units.zero)
        let shape = records.index.shape
        for entry in work.contents.entries where entry.offset >= work.covered {
            if entry.kind.isFound { puts += entry.units } else { tombstones += entry.units }
            if shape.shard(of: entry.hash) == shape.shards.lowerBound {
                census.sample.append(entry.hash)
            }
            census.applied += 1
        }
        log.segments.noteAppended(work.extent, .put, puts)
        log.segments.noteAppended(work.extent, .tombstone, tombstones)
        return census
    }

    /// Replays what the checkpoint does not cover of all extents, as far as it concerns one of so
    /// many equal parts of the index's shards. Returns the tombstones that it met.
    func apply(
        _ work: [Work], part: Int, of parts: Int
    ) throws(StoreError) -> [(KeyHash, Location)] {
        let shape = records.index.shape
        var tombstones: [(KeyHash, Location)] = []
        let count = shape.shards.count
        let (first, end) = (count * part / parts, count * (part + 1) / parts)
        func isMine(_ entry: SummaryEntry) -> Bool {
            let shard = shape.shard(of: entry.hash).rawValue
            return shard >= first && shard < end
        }
        for work in work {
            let start = log.geometry.firstLocation(of: work.extent)
            let entries = work.contents.entries
            for (number, entry) in entries.enumerated() {
                let next = number &+ Self.lookahead &* parts
                if next < entries.count, isMine(entries[next]) {
                    records.index.prefetch(entries[next].hash)
                }
                guard entry.offset >= work.covered, isMine(entry) else { continue }
                let location = start + entry.offset
                try apply(entry, at: location)
                if !entry.kind.isFound { tombstones.append((entry.hash, location)) }
            }
        }
        return tombstones
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
