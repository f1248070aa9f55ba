import CPmem

/// The extents that a copy of the pool has yet to read: what lies in them stays, though the index
/// may no longer name it.
///
/// Invariants:
/// - An extent that is held is not freed, and not emptied either: that would take room and give
///   none.
/// - Whoever reads looks behind every extent whether the copy was ended meanwhile; what was read
///   then may be anything.
final class HeldExtents: @unchecked Sendable {
    private let words = SharedLines(1)
    private var lock: SpinLock { SpinLock(words[0]) }
    /// Under the lock.
    private var extents: Set<SegmentNumber>
    /// Until then puts that need the room are refused.
    private let holdsWritersUntil: ContinuousClock.Instant

    /// Records below the floors of their tables do not belong to the copy.
    private let floors: [TableNumber: SequenceNumber]

    init(
        _ extents: Set<SegmentNumber>, floors: [TableNumber: SequenceNumber],
        holdingWritersFor time: Duration
    ) {
        self.extents = extents
        self.floors = floors
        // A century is enough, and none too much for a sum.
        holdsWritersUntil = .now + min(time, .seconds(3_200_000_000))
    }

    func includes(_ record: RecordView) -> Bool {
        floors.isEmpty || record.sequence >= floors[record.table] ?? .zero
    }

    var holdsWriters: Bool { .now < holdsWritersUntil }

    func contains(_ extent: SegmentNumber) -> Bool { lock.withLock { extents.contains(extent) } }

    var count: Int { lock.withLock { extents.count } }

    /// The copy has read an extent.
    func remove(_ extent: SegmentNumber) { lock.withLock { _ = extents.remove(extent) } }

    /// Lets go of everything: the copy cannot be completed.
    func end() {
        words[1].storeSequential(1)
        lock.withLock { extents = [] }
    }

    func check() throws(StoreError) {
        guard words[1].loadAcquire() != 0 else { return }
        throw StoreError(
            .snapshotTooOld,
            "the pool would have been full because of what the copy still had to read; copy it "
                + "when less is written, or make room first")
    }
}

extension Space {
    /// Begins a copy of the pool as of one moment: gives the locations of all records, in no order.
    /// What lies there stays until its extent has been read, or ``end(_:)``.
    ///
    /// All shards are locked at once, so no write and no batch is half in it.
    ///
    /// - Parameter time: for how long puts that find no room because of that are refused, instead
    ///   of the copy.
    func beginCopy(
        holdingWritersFor time: Duration = .zero
    ) throws(StoreError) -> (locations: [Location], held: HeldExtents) {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try gate.checkReadable()
        let (locations, floors) = records.allLocations()
        // Nothing is freed before this lets go of the lock.
        let held = HeldExtents(
            Set(locations.lazy.map { self.segments.extent(of: $0) }), floors: floors,
            holdingWritersFor: time)
        copies.append(held)
        return (locations, held)
    }

    /// The copy is complete, or given up.
    func end(_ copy: HeldExtents) {
        copy.end()
        compactionLock.lock()
        copies.removeAll { $0 === copy }
        copiesEnded += 1
        compactionLock.unlock()
    }

    /// How many extents the copies have yet to read. Compaction lock held.
    var unreadExtents: Int { copies.reduce(0) { $0 + $1.count } }

    /// Whether a copy has yet to read an extent. Compaction lock held.
    func isHeldByCopy(_ extent: SegmentNumber) -> Bool {
        copies.contains { $0.contains(extent) }
    }

    /// Ends the oldest copy, when the pool would be full because of what it has yet to read.
    /// Whether there was one. Where that holds writers back it throws, but to removals.
    func endOldestCopy(for use: Use) throws(StoreError) -> Bool {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        guard let oldest = copies.first else { return false }
        if use != .tombstones, oldest.holdsWriters {
            throw StoreError(
                .heldBack,
                "a backup has yet to read what would make room for this write, and was asked to "
                    + "hold writers back; try again when it is done")
        }
        copies.removeFirst().end()
        copiesEnded += 1
        return true
    }
}
