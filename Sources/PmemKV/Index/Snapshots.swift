import CPmem

/// The snapshots that live, and the records that they see and the hash index no longer names.
///
/// A snapshot has a number: it sees every record with a lower one, and none with a higher one. All
/// that is behind the index's back stands here, in DRAM; on the medium nothing says that there
/// is a snapshot.
///
/// Invariants:
/// - Who has taken a number at or above a snapshot's sees ``newest`` set (both by
///   read-modify-writes of the counter), and who has taken a lower one holds the shards of its keys
///   until the index has its records. So a shard that was seen free since is settled: what the
///   index names below the number is what the snapshot sees.
/// - A record that a snapshot sees comes in here before the index lets go of it, and leaves once
///   no snapshot sees it: who does not find it there finds it here, or the snapshot has ended.
/// - The table of a shard changes under that shard's lock, and its own. Readers take the latter
///   alone, which nobody holds for long.
final class Snapshots: @unchecked Sendable {
    private let sequences: Sequences
    private let shape: IndexShape
    private let words = SharedLines(2)
    private var newestWord: AtomicWord { words[0, 0] }
    private var lock: SpinLock { SpinLock(words[1, 0]) }
    private var keptWord: AtomicWord { words[1, 1] }
    private var keptUnitsWord: AtomicWord { words[1, 2] }
    private var endedWord: AtomicWord { words[1, 3] }
    /// By their numbers. Under the lock.
    private var living: [LivingSnapshot] = []
    private let tables: [VersionTable]

    init(_ index: HashIndex, _ sequences: Sequences) {
        self.sequences = sequences
        shape = index.shape
        tables = index.shards.map { _ in VersionTable() }
    }

    /// The highest number of a snapshot that lives; zero when none does. What is superseded at or
    /// above it is of no interest to any.
    @inline(__always)
    var newest: SequenceNumber { SequenceNumber(newestWord.loadAcquire()) }

    /// Records that are kept, or about to be.
    @inline(__always)
    var keptCount: Int { Int(truncatingIfNeeded: keptWord.loadAcquire()) }
    /// What they take on the medium.
    var keptUnits: Units { Units(Int(truncatingIfNeeded: keptUnitsWord.loadRelaxed())) }
    /// Bytes of DRAM that their table takes. O(shards).
    var memoryBytes: Int {
        tables.reduce(0) { sum, table in sum + table.withLock { $0.memoryBytes } }
    }
    /// Records that ceased to be kept.
    var endedCount: Int { Int(truncatingIfNeeded: endedWord.loadRelaxed()) }

    // MARK: Snapshots

    /// A snapshot of what is complete now. The shards have to be passed through before it is read,
    /// or are all locked.
    ///
    /// - Parameters:
    ///   - tables: what it sees of them; nil where nobody asks.
    ///   - scope: the keys that are read in it; nil for all.
    ///   - isFixed: nothing is ever written.
    func begin(
        tables: SeenTables?, scope: LivingSnapshot.Scope?, isFixed: Bool
    ) -> LivingSnapshot {
        lock.withLock {
            // Before the number is taken: see above.
            newestWord.storeRelaxed(.max)
            let number = isFixed ? .end : sequences.watermark()
            let snapshot = LivingSnapshot(number, tables: tables, scope: scope)
            living.append(snapshot)
            newestWord.storeRelease(number.rawValue)
            return snapshot
        }
    }

    /// Ends a snapshot. Whether records may have to be let go for that; false also when it had
    /// ended before.
    ///
    /// - Parameter forRoom: not by whoever took it.
    func end(_ snapshot: LivingSnapshot, forRoom: Bool) -> Bool {
        lock.withLock {
            guard let place = living.firstIndex(where: { $0 === snapshot }) else { return false }
            living.remove(at: place)
            snapshot.setEnded(forRoom: forRoom)
            newestWord.storeRelease(living.last?.number.rawValue ?? 0)
            return snapshot.hasKept
        }
    }

    /// The snapshots that live, the oldest first.
    var all: [LivingSnapshot] { lock.withLock { living } }

    /// The oldest one for which anything was kept.
    var oldestKeeping: LivingSnapshot? {
        lock.withLock { living.first { $0.hasKept } }
    }

    /// What is still to be read in a snapshot: other keys are not kept for it.
    func narrow(_ snapshot: LivingSnapshot, to range: KeyRange) {
        lock.withLock { snapshot.scope?.range = range }
    }

    // MARK: For writers, who hold the key's shard

    /// Whether a snapshot sees a record that is superseded by one with this number. If so, it is
    /// counted as kept: ``keep(_:)`` follows.
    func claim(_ sequence: SequenceNumber, until end: SequenceNumber, _ key: TableKey) -> Bool {
        lock.withLock {
            var isSeen = false
            for snapshot in living where snapshot.sees(sequence, until: end) {
                if snapshot.scope?.contains(key) ?? true { isSeen = true }
            }
            guard isSeen else { return false }
            // Those that do not read the key keep it as well, if others have asked for it: what it
            // is kept for is known by the numbers alone.
            for snapshot in living where snapshot.sees(sequence, until: end) {
                snapshot.hasKept = true
            }
            keptWord.fetchAdd(1)
            return true
        }
    }

    /// Takes a record in that was claimed, before the index lets go of it.
    func keep(_ version: Version) {
        keptUnitsWord.addRelaxed(UInt64(truncatingIfNeeded: version.units.count))
        table(of: version.hash).withLock { $0.insert(version) }
    }

    /// Lets a kept record stand elsewhere. False when none is kept there.
    func move(_ hash: KeyHash, from old: Location, to new: Location) -> Bool {
        guard keptCount > 0 else { return false }
        return table(of: hash).withLock { $0.move(hash, from: old, to: new) }
    }

    // MARK: Letting go. The shard is locked.

    /// Some records of a shard that no snapshot sees any more, from a place in its table on. `next`
    /// is where to go on; nil at the end.
    func unseen(
        inShard shard: ShardNumber, from start: Int
    ) -> (found: [Version], next: Int?) {
        let living = all
        return tables[shard.rawValue].withLock { table in
            table.versions(from: start, places: Self.lookedAtAtOnce) { version in
                !living.contains { $0.sees(version.sequence, until: version.end) }
            }
        }
    }

    private static let lookedAtAtOnce = 256

    /// The records of a hash that one snapshot sees and no other does.
    func versions(of hash: KeyHash, seenOnlyBy snapshot: LivingSnapshot) -> [Version] {
        let others = all.filter { $0 !== snapshot }
        return versions(of: hash).filter { version in
            snapshot.sees(version.sequence, until: version.end)
                && !others.contains { $0.sees(version.sequence, until: version.end) }
        }
    }

    /// Takes out a record that counts as dead by now.
    func remove(_ version: Version) {
        table(of: version.hash).withLock { $0.remove(version) }
        keptUnitsWord.addRelaxed(0 &- UInt64(truncatingIfNeeded: version.units.count))
        endedWord.addRelaxed(1)
        keptWord.fetchSubtract(1)
    }

    // MARK: For readers

    /// The kept records of a hash that a snapshot sees: of the one key that has it, most often.
    func locations(of hash: KeyHash, seenBy snapshot: LivingSnapshot) -> [Location] {
        versions(of: hash).filter { snapshot.sees($0.sequence, until: $0.end) }.map(\.location)
    }

    /// The kept records of a hash, in no order.
    func versions(of hash: KeyHash) -> [Version] {
        guard keptCount > 0 else { return [] }
        return table(of: hash).withLock { $0.versions(of: hash) }
    }

    /// Whether a record is kept that stands there.
    func holds(_ hash: KeyHash, at location: Location) -> Bool {
        versions(of: hash).contains { $0.location == location }
    }

    /// All kept records of a shard.
    func versions(inShard shard: ShardNumber) -> [Version] {
        guard keptCount > 0 else { return [] }
        return tables[shard.rawValue].withLock { $0.all }
    }

    private func table(of hash: KeyHash) -> VersionTable { tables[shape.shard(of: hash).rawValue] }
}

/// A snapshot: what there was at one moment.
final class LivingSnapshot: @unchecked Sendable {
    /// Records with a lower number are seen.
    let number: SequenceNumber
    /// The tables that there were, where somebody asks for that.
    let tables: SeenTables?
    let begun = MonotonicClock.nanoseconds
    /// What is read in it; nil for everything. Under the lock of ``Snapshots``.
    fileprivate var scope: Scope?
    /// Whether anything was ever kept for it. Under the same lock.
    fileprivate var hasKept = false
    private let words = SharedLines(1)

    /// Keys of a range in one table.
    struct Scope {
        let table: TableNumber
        var range: KeyRange

        func contains(_ key: TableKey) -> Bool {
            table == key.table && range.contains(key.bytes)
        }
    }

    fileprivate init(_ number: SequenceNumber, tables: SeenTables?, scope: Scope?) {
        self.number = number
        self.tables = tables
        self.scope = scope
    }

    /// What there is at whatever moment it is looked at. Never ends, and keeps nothing.
    static func present() -> LivingSnapshot { LivingSnapshot(.end, tables: nil, scope: nil) }

    private enum End {
        static let byOwner: UInt64 = 1
        static let forRoom: UInt64 = 2
    }

    var hasEnded: Bool { words[0].loadAcquire() != 0 }
    var wasEndedForRoom: Bool { words[0].loadAcquire() == End.forRoom }

    fileprivate func setEnded(forRoom: Bool) {
        words[0].storeSequential(forRoom ? End.forRoom : End.byOwner)
    }

    /// Whether a record is the newest one of its key here that another one superseded, or is going
    /// to.
    func sees(_ sequence: SequenceNumber, until end: SequenceNumber) -> Bool {
        sequence < number && end >= number
    }
}
