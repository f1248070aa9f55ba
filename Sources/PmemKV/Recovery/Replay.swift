/// Applies the records of extents to the index, by parts of it. Safe from several threads: a part's
/// buckets belong to one of them, so that no two write to one cache line of the index.
struct Replay: Sendable {
    let log: Log
    let records: RecordIndex
    let liveness: Liveness
    let reader: ExtentReader
    let extents: [SegmentNumber]
    /// Room for what the summaries list, and where that of each extent begins; its end last.
    private let slab: EntrySlab
    private let rooms: [Int]
    /// Two to the power of this is the number of parts that records are sorted into.
    private let sortedBits: Int

    /// An extent to be replayed.
    struct Work: Sendable {
        let extent: SegmentNumber
        /// What a checkpoint covers of it.
        let covered: Units
        /// Without the entries, where they come from the summary.
        var contents: ExtentContents
        /// Nil as long as it is not settled what of an open extent counts.
        var records: ReplayRecords?
    }

    /// What was added to the index and is not counted there.
    struct Filled: Sendable {
        /// Items by shard.
        var items: [Int]
        /// Tombstones among them.
        var tombstones: [(KeyHash, Location)] = []
        /// How many of them belong to each table, the unnamed one left out.
        var tables: [TableNumber: Int] = [:]
    }

    /// Entries ahead that are on their way to the processor, those whose buckets are, and those
    /// whose keys' records are.
    private static let entryLookahead = 64
    private static let bucketLookahead = 16
    private static let recordLookahead = 8
    private static let mostSortedBits = 10

    init(
        log: Log, records: RecordIndex, liveness: Liveness, reader: ExtentReader,
        extents: [SegmentNumber]
    ) throws(StoreError) {
        self.log = log
        self.records = records
        self.liveness = liveness
        self.reader = reader
        self.extents = extents
        var rooms = [0]
        for extent in extents {
            let claimed = try reader.claimedRecords(of: log.segments.extent(extent))
            rooms.append(rooms[rooms.count - 1] + claimed)
        }
        self.rooms = rooms
        let count = rooms[rooms.count - 1]
        slab = try EntrySlab(capacity: count)
        sortedBits = min(IndexShape.mostPartBits(keys: count), Self.mostSortedBits)
    }

    /// Reads what is to be replayed of an extent that a checkpoint does not cover.
    func read(_ slot: Int, covered: Units) throws(StoreError) -> Work {
        let extent = extents[slot]
        let isSealed = log.segments.phase(extent) == .sealed
        if isSealed, let sorted = try sortedSummary(slot, from: covered) {
            var contents = ExtentContents()
            contents.end = log.segments.sealedEnd(extent)
            contents.usedSummary = true
            return Work(extent: extent, covered: covered, contents: contents, records: sorted)
        }
        // Whoever writes adopts or seals an open extent and needs all of it.
        let first = isSealed || !log.gate.isReadOnly ? .zero : covered
        let contents = try reader.walk(log.segments.extent(extent), from: first)
        if let lost = contents.lost.first { throw reader.lostRecord(extent, at: lost).refusal }
        var work = Work(extent: extent, covered: covered, contents: contents)
        if isSealed { try settle(&work) }
        return work
    }

    private func sortedSummary(
        _ slot: Int, from covered: Units
    ) throws(StoreError) -> ReplayRecords? {
        let room = rooms[slot]..<rooms[slot + 1]
        return try reader.withSummary(of: log.segments.extent(extents[slot])) {
            // It may be another one by now, if a page of it was lost.
            $0.count > room.count
                ? nil : self.sorted($0, from: covered, to: self.slab, at: room.lowerBound)
        } ?? nil
    }

    /// Sorts what counts of an extent whose records were walked.
    func settle(_ work: inout Work) throws(StoreError) {
        let entries = work.contents.entries
        let slab = try EntrySlab(capacity: entries.count)
        work.records = sorted(entries, from: work.covered, to: slab, at: 0)
    }

    private func sorted(
        _ entries: some RandomAccessCollection<SummaryEntry>, from covered: Units,
        to slab: EntrySlab, at first: Int
    ) -> ReplayRecords {
        ReplayRecords(
            entries, from: covered, records.index.shape, partBits: sortedBits, to: slab, at: first)
    }

    /// Parts that may be replayed at the same time.
    var parts: Int { 1 << min(sortedBits, records.index.partBits) }

    /// Replays what belongs to one of so many parts of the index.
    func apply(_ work: [Work], part: Int, of parts: Int) throws(StoreError) -> Filled {
        let index = records.index
        var filled = Filled(items: .init(repeating: 0, count: index.shards.count))
        for work in work {
            guard let sorted = work.records else { continue }
            let start = log.geometry.firstLocation(of: work.extent)
            let entries = sorted.entries
            for number in stride(from: part, to: 1 << sortedBits, by: parts) {
                let places = sorted.places(ofPart: number)
                for place in places {
                    entries.prefetch(place &+ Self.entryLookahead)
                    if place &+ Self.bucketLookahead < places.upperBound {
                        index.prefetch(entries[place &+ Self.bucketLookahead].hash)
                    }
                    if place &+ Self.recordLookahead < places.upperBound {
                        prefetch(entries[place &+ Self.recordLookahead], start)
                    }
                    let entry = entries[place]
                    let location = start + entry.offset
                    if try apply(entry, at: location) {
                        filled.items[index.shape.shard(of: entry.hash).rawValue] += 1
                        if entry.isExtended { try count(location, in: &filled.tables, by: 1) }
                    }
                    if !entry.kind.isFound { filled.tombstones.append((entry.hash, location)) }
                }
            }
        }
        return filled
    }

    /// Counts an item in or out of its table. One that is too damaged to tell it is nobody's.
    func count(
        _ location: Location, in tables: inout [TableNumber: Int], by change: Int
    ) throws(StoreError) {
        let table = try log.withRecord(at: location) { $0.knowsKey ? $0.table : nil }
        if let table { tables[table, default: 0] += change }
    }

    /// Starts to load what has to be compared where the key of an entry may be in the index.
    @inline(__always)
    private func prefetch(_ entry: SummaryEntry, _ start: Location) {
        guard let known = records.index.doubtfulLocation(of: entry.hash) else { return }
        log.prefetchRecord(at: known)
        log.prefetchRecord(at: start + entry.offset)
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
    /// its key. Returns whether the index has an item more.
    @inline(__always)
    private func apply(
        _ entry: SummaryEntry, at location: Location
    ) throws(StoreError) -> Bool {
        let index = records.index
        if index.fillQuickly(entry.hash, location) { return true }
        let previous = try index.locate(entry.hash) {
            old throws(StoreError) -> (location: Location, known: Known)? in
            let known = try self.known(old)
            guard known.hash == entry.hash else { return nil }
            if known.isIntact {
                guard try self.haveSameKey(old, location) else { return nil }
            }
            return (old, known)
        }
        guard let previous else {
            try index.fill(entry.hash, location)
            return true
        }
        let (old, known) = previous.found
        if liveness.supersedes(entry.number, at: location, known.sequence, at: old) {
            index.replace(previous.place, of: entry.hash, by: location)
            liveness.noteSuperseded(known.kind, old, known.units, known.sequence)
        } else {
            liveness.noteSuperseded(entry.kind, location, entry.units, entry.number)
        }
        return false
    }

    private func known(_ location: Location) throws(StoreError) -> Known {
        let own = try log.withRecord(at: location) { record -> Known? in
            guard record.knowsKey, let kind = record.kind else { return nil }
            return Known(
                hash: self.records.hash(record.tableKey), sequence: record.sequence,
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
                second.knowsKey ? second.hasKey(first.tableKey) : true
            }
        }
        return same ?? true
    }
}
