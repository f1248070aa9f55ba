/// Who is alive: the one rule that publishing, compaction, replay, recovery and the tests'
/// inspection ask.
///
/// - A record that readers can find (``RecordKind/isFound``) is alive as long as the hash index
///   points at it, or a snapshot keeps it.
/// - A tombstone is needed as long as an older put of its key could come back without it: until a
///   newer record of the key is in the index, or no superseded put with a lower number is left in
///   any other extent (I8). The second is kept for each extent as one number, ``lowestDead(in:)``,
///   which is conservative, needs no memory per key, and ends: compaction removes dead puts.
/// - Of two records of a key the higher sequence number counts; of a record and its copy, which
///   have the same (I7), the one in a sealed extent, so that the extent of a compaction that a
///   crash cut short can be given back.
///
/// Invariants:
/// - A writer holds a record's shard from before it appends until the index knows the record. So
///   when all shards have been seen free since an extent was sealed, a record in it that the index
///   does not name is dead, and stays it.
/// - What died in an extent is counted by anybody; what was appended to it by the owner of its head
///   alone (``Segments/noteAppended(_:_:_:)``).
final class Liveness: Sendable {
    let segments: Segments
    private let records: RecordIndex
    private var index: HashIndex { records.index }
    /// Of each extent: units of puts that are no longer the newest of their key, and the lowest
    /// sequence number of them.
    private let dead: ExtentWords
    /// Of each extent: the lowest sequence number of a superseded put that a snapshot keeps.
    private let kept: ExtentWords
    /// A word for each group of extents.
    private let groups: SharedLines
    /// The logarithm of ``garbageStep``, in units.
    private let garbageShift: UInt64

    init(records: RecordIndex) {
        self.records = records
        segments = records.log.segments
        let step = max(1, segments.geometry.segmentUnits.count / 64)
        garbageShift = UInt64(step.trailingZeroBitCount)
        dead = ExtentWords(segments.geometry)
        kept = ExtentWords(segments.geometry)
        let most = segments.geometry.segmentLimit
        groups = SharedLines((most / Self.groupSize + 1) / SharedLines.wordsPerLine + 1)
        begin(segments.all)
    }

    /// Begins to count for segments of which nothing is in use: before they are the pool's.
    func begin(_ new: Range<SegmentNumber>) {
        for segment in new {
            setDead(segment, oldest: .none)
            if segment.rawValue % Self.groupSize == 0 {
                oldestOfGroup(group(of: segment)).storeRelaxed(SequenceNumber.none.rawValue)
            }
        }
    }

    @inline(__always)
    private func deadUnits(_ extent: SegmentNumber) -> AtomicWord {
        dead[extent, 0]
    }

    @inline(__always)
    private func oldestDead(_ extent: SegmentNumber) -> AtomicWord {
        dead[extent, 1]
    }

    @inline(__always)
    private func oldestKept(_ extent: SegmentNumber) -> AtomicWord { kept[extent, 0] }

    // MARK: Counting

    /// The record there, of any kind, is no longer the newest of its key.
    func noteSuperseded(
        _ kind: RecordKind, _ location: Location, _ units: Units, _ sequence: SequenceNumber
    ) {
        if kind.isFound { noteDead(location, units, sequence) }
    }

    /// The put there is no longer the newest record of its key.
    @inline(__always)
    func noteDead(_ location: Location, _ units: Units, _ sequence: SequenceNumber) {
        noteDead(in: segments.extent(of: location), units, oldest: sequence)
    }

    /// The same for several records of one extent.
    @inline(__always)
    func noteDead(in extent: SegmentNumber, _ units: Units, oldest: SequenceNumber) {
        let before = deadUnits(extent).addRelaxed(UInt64(truncatingIfNeeded: units.count))
        if oldest.rawValue < oldestDead(extent).loadRelaxed() { lower(extent, to: oldest) }
        let after = before &+ UInt64(truncatingIfNeeded: units.count)
        if before == 0 || (before ^ after) &>> garbageShift != 0 {
            segments.changed.insert(extent.rawValue)
        }
    }

    /// The extent's own word first: see ``forget(_:)``.
    @inline(never)
    private func lower(_ extent: SegmentNumber, to oldest: SequenceNumber) {
        oldestDead(extent).lower(to: oldest.rawValue)
        oldestOfGroup(group(of: extent)).lower(to: oldest.rawValue)
    }

    /// The put there was superseded, but a snapshot sees it: alive, and something for a tombstone
    /// to hide.
    func noteKept(_ location: Location, _ sequence: SequenceNumber) {
        let extent = segments.extent(of: location)
        oldestKept(extent).lower(to: sequence.rawValue)
        oldestOfGroup(group(of: extent)).lower(to: sequence.rawValue)
    }

    /// What has to die in an extent before it is looked at again.
    var garbageStep: Units { Units(1 << Int(garbageShift)) }

    /// Nothing is counted for an extent any more: it is being freed. Compaction lock held, as by
    /// whoever asks for a ``Horizon`` on which more than speed depends.
    func forget(_ extent: SegmentNumber) {
        let oldest = min(lowestDead(in: extent), lowestKept(in: extent))
        setDead(extent, oldest: .none)
        let group = group(of: extent)
        guard oldest != .none, oldestOfGroup(group).loadSequential() == oldest.rawValue else {
            return
        }
        // Whoever lowers an extent's word now lowers the group's behind that: what is missed here
        // comes by itself.
        oldestOfGroup(group).storeSequential(SequenceNumber.none.rawValue)
        for member in members(of: group) {
            oldestOfGroup(group).lower(to: lowestDead(in: member).rawValue)
            oldestOfGroup(group).lower(to: lowestKept(in: member).rawValue)
        }
    }

    /// Takes over what a checkpoint knew of an extent.
    func adopt(
        _ extent: SegmentNumber, live: Units, tombstones: Units, oldestDead: SequenceNumber
    ) {
        segments.setAppended(extent, puts: live, tombstones: tombstones)
        setDead(extent, oldest: oldestDead)
        oldestOfGroup(group(of: extent)).lower(to: oldestDead.rawValue)
    }

    private func setDead(_ extent: SegmentNumber, oldest: SequenceNumber) {
        deadUnits(extent).storeRelaxed(0)
        oldestDead(extent).storeRelaxed(oldest.rawValue)
        oldestKept(extent).storeRelaxed(SequenceNumber.none.rawValue)
    }

    // MARK: Records

    /// A record of a sealed extent, if it has to be kept when that is emptied: one that readers can
    /// find when the index points at it, a tombstone when there is something it may hide. All
    /// shards have been seen free since the extent was sealed, or the answer is a guess.
    @inline(__always)
    func need(
        for entry: SummaryEntry, at location: Location, in extent: SegmentNumber,
        _ horizon: Horizon, _ index: HashIndex
    ) -> Move? {
        if entry.kind.isFound {
            if let place = index.placeSeen(of: entry.hash, holding: location) {
                return Move(entry: entry, old: location, seen: place)
            }
            return records.snapshots.holds(entry.hash, at: location)
                ? Move(entry: entry, old: location, seen: nil) : nil
        }
        return horizon.letsGo(entry.number, in: extent)
            ? nil : Move(entry: entry, old: location, seen: nil)
    }

    /// Whether a tombstone is superfluous because a newer record of its key is in the index. Takes
    /// the shard's lock.
    func isSuperseded(tombstone key: TableKey, _ hash: KeyHash) throws(StoreError) -> Bool {
        let lock = index.lock(of: hash)
        lock.lock()
        defer { lock.unlock() }
        return try records.locate(key, hash) != nil
    }

    /// Whether a record that replay meets takes the place of the one known for its key.
    func supersedes(
        _ sequence: SequenceNumber, at location: Location, _ known: SequenceNumber,
        at knownLocation: Location
    ) -> Bool {
        if sequence != known { return sequence > known }
        return segments.phase(segments.extent(of: knownLocation)) == .open
            && segments.phase(segments.extent(of: location)) == .sealed
    }

    // MARK: Extents

    /// Units of put records in an extent that are the newest of their key.
    func liveUnits(_ extent: SegmentNumber) -> Units {
        let dead = Units(Int(truncatingIfNeeded: deadUnits(extent).loadAcquire()))
        return segments.appendedUnits(extent, .put) - dead
    }

    func tombstoneUnits(_ extent: SegmentNumber) -> Units {
        segments.appendedUnits(extent, .tombstone)
    }

    /// Units that compaction of an extent has to copy at most.
    func keptUnits(_ extent: SegmentNumber) -> Units {
        liveUnits(extent) + tombstoneUnits(extent)
    }

    /// The lowest sequence number of a superseded put in an extent; `none` when there is none.
    func lowestDead(in extent: SegmentNumber) -> SequenceNumber {
        SequenceNumber(oldestDead(extent).loadSequential())
    }

    /// The lowest one of those that snapshots keep; `none` when there is none.
    private func lowestKept(in extent: SegmentNumber) -> SequenceNumber {
        SequenceNumber(oldestKept(extent).loadSequential())
    }

    /// The lowest sequence numbers of superseded puts anywhere, those that snapshots keep included:
    /// these are never left out, since their copies may lie in another extent before a tombstone
    /// beside them is judged. O(segments / 64): one word for each
    /// group of extents, and those of one group.
    func horizon() -> Horizon {
        var lowest = (number: SequenceNumber.none, group: 0)
        for group in 0..<groupCount {
            let number = SequenceNumber(oldestOfGroup(group).loadSequential())
            if number < lowest.number { lowest = (number, group) }
        }
        var result = Horizon()
        for member in members(of: lowest.group) {
            result.add(lowestDead(in: member), of: member)
            result.add(lowestKept(in: member), of: nil)
        }
        for group in 0..<groupCount where group != lowest.group {
            result.add(SequenceNumber(oldestOfGroup(group).loadSequential()), of: nil)
        }
        return result
    }

    private static let groupSize = 64
    private var groupCount: Int {
        (segments.count + Self.groupSize - 1) / Self.groupSize
    }

    @inline(__always)
    private func group(of extent: SegmentNumber) -> Int { extent.rawValue / Self.groupSize }

    private func members(of group: Int) -> Range<SegmentNumber> {
        let all = segments.all
        let start = all.lowerBound + group * Self.groupSize
        return start..<min(start + Self.groupSize, all.upperBound)
    }

    /// At most the lowest ``oldestDead(_:)`` of a group's extents.
    @inline(__always)
    private func oldestOfGroup(_ group: Int) -> AtomicWord { groups[group] }

    /// Units that compaction of an extent would not have to copy; zero when it has no garbage.
    ///
    /// Space behind the records counts only beside garbage: moving live records to an equally
    /// long extent gains nothing, and would be tried for ever.
    func reclaimableUnits(_ extent: SegmentNumber, _ horizon: Horizon) -> Units {
        let rest = segments.capacity(extent) - liveUnits(extent)
        let tombstones = tombstoneUnits(extent)
        if tombstones > .zero, mayDropTombstones(of: extent, horizon) { return rest }
        return lowestDead(in: extent) == .none ? .zero : rest - tombstones
    }

    /// Whether no tombstone in an extent is needed.
    private func mayDropTombstones(of extent: SegmentNumber, _ horizon: Horizon) -> Bool {
        tombstoneUnits(extent) == .zero || horizon.isClear(without: extent)
    }

    /// Whether an extent could be freed as it is: nothing in it is alive or hides anything.
    func isSuperfluous(_ extent: SegmentNumber) -> Bool {
        liveUnits(extent) == .zero && mayDropTombstones(of: extent, horizon())
    }

    /// Whether compaction of an extent would gain anything, once it is sealed.
    func hasGarbage(_ extent: SegmentNumber) -> Bool {
        lowestDead(in: extent) != .none
            || tombstoneUnits(extent) > .zero && mayDropTombstones(of: extent, horizon())
    }
}

/// The two lowest sequence numbers of superseded puts in different extents: enough to leave any
/// one extent out.
struct Horizon {
    private var lowest = SequenceNumber.none
    private var second = SequenceNumber.none
    private var holder: SegmentNumber?

    /// - Parameter extent: nil where it is none that anybody leaves out.
    mutating func add(_ sequence: SequenceNumber, of extent: SegmentNumber?) {
        if sequence < lowest {
            second = lowest
            lowest = sequence
            holder = extent
        } else {
            second = min(second, sequence)
        }
    }

    private func lowest(without extent: SegmentNumber) -> SequenceNumber {
        extent == holder ? second : lowest
    }

    /// Whether no other extent has a superseded put.
    func isClear(without extent: SegmentNumber) -> Bool { lowest(without: extent) == .none }

    /// Whether a tombstone in an extent hides nothing that stands in another one (I8).
    func letsGo(_ tombstone: SequenceNumber, in extent: SegmentNumber) -> Bool {
        tombstone <= lowest(without: extent)
    }
}
