import CPmem

/// The records of a store by their keys: the hash index and the log it points into.
///
/// Invariants:
/// - A record below its key's floor is not found, whether or not the index still names it; nor is
///   any of a table that is no longer the one that was asked for (``Tables``).
/// - A miss is believed only when no record that might be the key's is damaged.
/// - Readers are inside an epoch: what they found stays where it is.
/// - A page that the medium loses reads as zeroes from then on, after it was verified, too. So once
///   any pool of the process has had a fault since this one was opened, a read of a key verifies
///   its record again behind the body; a pass over all records, which is not repeated, throws when
///   its own medium counted a fault meanwhile.
final class RecordIndex: @unchecked Sendable {
    let index: HashIndex
    let log: Log
    let gate: Gate
    let epochs = Epochs()
    let snapshots: Snapshots
    let tables: Tables
    /// That of the unnamed table, at hand for every read; see ``Tables``.
    private let unnamedFloor: AtomicWord
    private let verifiesReads: Bool
    private let faultsAtOpen = cpmem_guard_total_faults()

    init(index: HashIndex, log: Log, verifiesReads: Bool) {
        tables = Tables()
        unnamedFloor = tables.floorWord(.unnamed)
        self.index = index
        self.log = log
        gate = log.gate
        snapshots = Snapshots(index, log.sequences)
        self.verifiesReads = verifiesReads
    }

    @inline(__always)
    func hash(_ key: TableKey) -> KeyHash { key.hash(seed: index.seed) }

    /// A key of the unnamed table as it is now.
    @inline(__always)
    func unnamed(_ key: ByteView) -> TableKey { unnamedTable.key(key) }

    /// The unnamed table as it is now.
    @inline(__always)
    var unnamedTable: TableState {
        TableState(ref: .unnamed, floor: SequenceNumber(unnamedFloor.loadAcquire()))
    }

    // MARK: For readers

    /// Gives the record of a key to body, verified, or returns nil when there is no such key.
    ///
    /// Lock-free. The record stays where it is while body runs, which is to be short: until then no
    /// space becomes free (see ``lend(_:_:in:_:)`` for callers' code). Throws `media` when the
    /// medium failed under it.
    @inline(__always)
    func withRecord<R>(
        _ key: TableKey, _ hash: KeyHash, _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        guard let base = unsafe log.medium.base else {
            return try withUnmappedRecord(key, hash, body)
        }
        return try epochs.reading { () throws(StoreError) -> R? in
            try gate.checkReadable()
            var found = unsafe likelyRecord(key, hash, over: base)
            if found == nil { found = try unsafe findRecord(key, hash, over: base) }
            guard let found, tables.isCurrent(key.ref) else { return nil }
            let result = try body(found)
            try self.checkStillThere(found)
            return result
        }
    }

    /// The record of a key, verified, where most are found; nil when it is not there, which says
    /// nothing. Straight on, without loops: what a read costs is decided by how many others the
    /// processor can begin while this one waits for its two lines.
    @unsafe @inline(__always)
    private func likelyRecord(
        _ key: TableKey, _ hash: KeyHash, over base: UnsafeRawPointer
    ) -> RecordView? {
        guard let location = index.likelyItem(of: hash)?.location else { return nil }
        // Where its lines are is not known before its first one has come.
        unsafe cpmem_prefetch_record(base + location.offset)
        guard let record = unsafe log.record(at: location, over: base) else { return nil }
        let isRight =
            verifiesReads ? record.isSound(ofKey: key) : record.fits && record.hasKey(key)
        return isRight && record.sequence >= key.floor ? record : nil
    }

    /// The record of a key, verified; nil when there is no such key.
    @unsafe @inline(never)
    private func findRecord(
        _ key: TableKey, _ hash: KeyHash, over base: UnsafeRawPointer
    ) throws(StoreError) -> RecordView? {
        var doubt: Location?
        let found = try index.find(hash) { location throws(StoreError) -> RecordView? in
            guard let record = unsafe self.log.record(at: location, over: base),
                self.isRecord(record, of: key, &doubt)
            else { return nil }
            guard self.mayBeShown(record) else { throw self.log.damage(at: location) }
            return record
        }
        if found == nil, let doubt { throw log.damage(at: doubt) }
        return found
    }

    /// Whether a record that belongs to its key is what was written, as far as reads verify that.
    @inline(__always)
    func mayBeShown(_ record: RecordView) -> Bool {
        verifiesReads ? record.isSound : record.fits
    }

    /// Whether any pool of the process has lost a page since this one was opened, as far as what
    /// was read before is concerned.
    @inline(__always)
    var hadFaults: Bool {
        cpmem_fence_acquire()
        return cpmem_guard_total_faults() != faultsAtOpen
    }

    /// Throws when what was read from a record may have been lost meanwhile: when there was a
    /// fault at all since the store was opened, in this pool or another, it is verified again.
    @inline(__always)
    func checkStillThere(_ record: RecordView) throws(StoreError) {
        if hadFaults { try verifyAgain(at: record.location) }
    }

    /// A page that was lost stays lost: what is sound now was sound all the time.
    @inline(never)
    private func verifyAgain(at location: Location) throws(StoreError) {
        let isSound = try log.withRecord(at: location) { $0.isSound }
        guard isSound == true else { throw Self.lostPage }
    }

    /// The same where reading takes a system call.
    @inline(never)
    private func withUnmappedRecord<R>(
        _ key: TableKey, _ hash: KeyHash, _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try epochs.reading { () throws(StoreError) in
            try gate.checkReadable()
            var doubt: Location?
            let result = try index.find(hash) { location throws(StoreError) -> R? in
                try self.log.withUnmappedRecord(at: location) { record throws(StoreError) -> R? in
                    guard self.isRecord(record, of: key, &doubt) else { return nil }
                    guard record.isSound else { throw self.log.damage(record) }
                    guard tables.isCurrent(key.ref) else { return nil }
                    return try body(record)
                }
            }
            if result == nil, let doubt { throw log.damage(at: doubt) }
            return result
        }
    }

    /// Whether a key is there; its value is not looked at.
    func contains(_ key: TableKey, _ hash: KeyHash) throws(StoreError) -> Bool {
        try epochs.reading { () throws(StoreError) in
            try gate.checkReadable()
            var doubt: Location?
            let found = try index.find(hash) { location throws(StoreError) -> Bool? in
                try self.log.withRecord(at: location) { record -> Bool? in
                    self.isRecord(record, of: key, &doubt) ? true : nil
                }
            }
            if found == nil, let doubt { throw log.damage(at: doubt) }
            return (found ?? false) && tables.isCurrent(key.ref)
        }
    }

    /// Whether a record is one of this key, and not below its floor.
    ///
    /// A record of another key with the same fingerprint, or one below the floor, is rare enough to
    /// be verified: if it is damaged it may have been this key's, and unless the key turns up
    /// elsewhere, "no such key" would be a wrong answer. That doubt is left to the caller.
    @inline(__always)
    private func isRecord(
        _ record: RecordView, of key: TableKey, _ doubt: inout Location?
    ) -> Bool {
        guard record.fits else {
            doubt = record.location
            return false
        }
        if record.hasKey(key), record.sequence >= key.floor { return true }
        if !record.verifyHeader() { doubt = record.location }
        return false
    }

    /// Starts to load the record that a search for this hash will look at.
    @inline(__always)
    func prefetchRecord(_ hash: KeyHash, lines: Int = 1) {
        log.prefetchRecord(at: index.likelyLocation(of: hash), lines: lines)
    }

    /// The same where the bucket is known, more or less.
    @inline(__always)
    func prefetchRecord(_ hash: KeyHash, in bucket: Bucket) {
        log.prefetchRecord(at: bucket.likelySlot(hash.tag).location)
    }

    // MARK: For writers, who hold the key's shard

    /// What the index has for a key, and where.
    struct Found {
        let place: IndexPlace
        let location: Location
        let units: Units
        let sequence: SequenceNumber

    }

    /// Whether a record is below the floor of its table, so that for readers there is none.
    @inline(__always)
    func isStale(_ found: Found, in table: TableNumber) -> Bool {
        let floor = table.isUnnamed ? unnamedTable.floor : tables.floor(table)
        return found.sequence < floor
    }

    /// Finds the record that a write of this key supersedes, be it below the key's floor. Shard
    /// locked.
    ///
    /// A record with the same fingerprint that is too damaged to tell its key is passed over:
    /// should it be this key's, the newer record now found beside it is the right one.
    @inline(__always)
    func locate(_ key: TableKey, _ hash: KeyHash) throws(StoreError) -> Found? {
        let found = try index.locate(hash) {
            location throws(StoreError) -> (Location, Units, SequenceNumber)? in
            try self.log.withRecord(at: location) { record in
                guard record.fits, record.hasKey(key) else { return nil }
                return (location, record.units, record.sequence)
            }
        }
        return found.map {
            Found(place: $0.place, location: $0.found.0, units: $0.found.1, sequence: $0.found.2)
        }
    }

    // MARK: For scans

    /// Records ahead of the one looked at that are on their way to the processor.
    private static let lookahead = 8

    /// Calls body with every record the index holds in these shards, or in all, or with all that a
    /// snapshot sees, of whatever table, and `damage` with those that cannot tell their key; what a
    /// shard holds is collected under its lock. Throws `media` when the medium failed meanwhile.
    func forEachRecord(
        inShards shards: Range<ShardNumber>? = nil, seenBy snapshot: LivingSnapshot? = nil,
        _ body: (RecordView) -> Void, damage: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        for shard in shards ?? index.shards {
            try forEachRecord(inShard: shard, snapshot, body, damage: damage)
        }
    }

    /// In an epoch of its own: a pass over a large index must not keep space from being reused.
    private func forEachRecord(
        inShard shard: ShardNumber, _ snapshot: LivingSnapshot?, _ body: (RecordView) -> Void,
        damage: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        try epochs.reading { () throws(StoreError) in
            try gate.checkReadable()
            let faults = log.medium.faultCount
            let places = index.lock(ofShard: shard).withLock {
                locations(inShard: shard)
                    + (snapshot.map { keptLocations(inShard: shard, seenBy: $0) } ?? [])
            }
            for (number, location) in places.enumerated() {
                if number + Self.lookahead < places.count {
                    log.prefetchRecord(at: places[number + Self.lookahead])
                }
                let seen: Void? = try log.withRecord(at: location) {
                    record throws(StoreError) in
                    guard record.knowsKey else { return try damage(record) }
                    // What is newer superseded another one, which is kept, or nothing.
                    if let snapshot, record.sequence >= snapshot.number { return }
                    body(record)
                }
                if seen == nil { throw Self.strayLocation }
            }
            if log.medium.faultCount != faults { throw Self.lostPage }
        }
    }

    /// The locations of all records as of one moment, and the floors below which they do not count:
    /// all shards are locked at once.
    func allLocations() -> (locations: [Location], floors: [TableNumber: SequenceNumber]) {
        var all: [Location] = []
        all.reserveCapacity(index.count + index.count / 8)
        for shard in index.shards { index.lock(ofShard: shard).lock() }
        for shard in index.shards { all += locations(inShard: shard) }
        let floors = tables.floors
        for shard in index.shards.reversed() { index.lock(ofShard: shard).unlock() }
        return (all, floors)
    }

    /// Shard locked.
    private func keptLocations(
        inShard shard: ShardNumber, seenBy snapshot: LivingSnapshot
    ) -> [Location] {
        snapshots.versions(inShard: shard).filter {
            snapshot.sees($0.sequence, until: $0.end)
        }.map(\.location)
    }

    /// Shard locked.
    func locations(inShard shard: ShardNumber) -> [Location] {
        var locations: [Location] = []
        locations.reserveCapacity(Int(truncatingIfNeeded: index[shard, .items].loadRelaxed()))
        index.forEachLocation(inShard: shard) { locations.append($0) }
        return locations
    }

    static var lostPage: StoreError {
        StoreError(.media, "the medium failed while it was being read")
    }

    static var strayLocation: StoreError {
        StoreError(.corrupt, "the index names a place that is none of a record")
    }
}
