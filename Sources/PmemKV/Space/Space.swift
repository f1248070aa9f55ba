import Synchronization

/// The room in a pool: who gets a place to append to, and what is made free again.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I6: an extent is retired only when the copies of all its live records are durable, and freed
///   only when no reader can be in it (``mayBeReused(_:unreachableSince:)``).
/// - One compaction at a time, under the compaction lock. A writer may ask for it while it owns its
///   head; so under it nobody waits for a writer's head, but for one with relaxed records, whose
///   owner does not ask (``Log/settleRelaxed()``). Nobody waits for space while holding a shard.
/// - The last free segments are kept: one for compaction, so that it can always run, one for
///   deletes.
final class Space: @unchecked Sendable {
    let log: Log
    let segments: Segments
    let gate: Gate
    let records: RecordIndex
    let liveness: Liveness
    let options: EngineOptions
    private let words = SharedLines(4)
    var compactionLock: SpinLock { SpinLock(words[0, 0]) }
    /// Held while records are let go that a snapshot saw.
    var endingLock: SpinLock { SpinLock(words[2, 0]) }
    /// Writers that would like to have the compaction lock for a short time.
    var waiting: AtomicWord { words[0, 1] }
    /// Units that writers have yet to copy for what they wrote; from how many on one does.
    var debt: AtomicWord { words[1, 0] }
    var dueAt: AtomicWord { words[1, 1] }
    /// How many a unit that is written costs; see Space+Ahead.
    var rate: AtomicWord { words[1, 2] }
    /// What writes have waited.
    let stalls = StallClock()
    private var highMarkWord: AtomicWord { words[3, 0] }
    private var lowMarkWord: AtomicWord { words[3, 1] }
    /// The thread that compacts; nil where there is to be none.
    let compactor: BackgroundWorker?
    /// The extent of the checkpoint that the superblock names. Under the compaction lock.
    var checkpoint: SegmentNumber?
    /// What ``Space/changes`` were when no segment could be had. Under the compaction lock.
    var fullSince: Int?
    /// What may be emptied next. Under the compaction lock.
    var garbage: GarbageQueue
    /// Copies of the pool under way, the oldest first; how many have ended. Under the compaction
    /// lock.
    var copies: [HeldExtents] = []
    var copiesEnded = 0
    /// Extents that are empty and may still be looked at. Under the compaction lock.
    var limbo: [SegmentNumber] = []
    /// The extent that is being emptied. Under the compaction lock.
    var underWay: Victim?
    /// Whether ``Segments/longestRecord`` speaks for all extents: opening does not read the
    /// summaries that a checkpoint spares. Under the compaction lock.
    var knowsLongest: Bool
    /// Under the compaction lock.
    var known = KnownSizes()
    /// The open extents that the next writer continues, in a store that was opened read-only.
    var continued: [SegmentNumber] = []
    /// The keys in order, where that was asked for. Set while the store is opened.
    var ordered: OrderedIndex?
    /// Extents that compaction emptied.
    let compactions = Atomic<Int>(0)
    /// Units it copied out of them.
    let compactedUnits = Atomic<Int>(0)

    var index: HashIndex { records.index }

    init(
        log: Log, records: RecordIndex, liveness: Liveness, checkpoint: SegmentNumber?,
        options: EngineOptions
    ) {
        self.log = log
        segments = log.segments
        gate = log.gate
        self.records = records
        self.liveness = liveness
        self.checkpoint = checkpoint
        self.options = options
        garbage = GarbageQueue(segments: log.segments.count)
        let isEmpty = log.segments.freeCount == log.segments.count
        knowsLongest = isEmpty
        let isReadOnly = log.gate.isReadOnly
        compactor =
            options.compactsInBackground && !isReadOnly
            ? BackgroundWorker(label: "pmemkv.compact") : nil
        setMarks(segments: log.segments.count)
    }

    /// Free segments below which the thread works.
    var highMark: Int { Int(truncatingIfNeeded: highMarkWord.loadRelaxed()) }
    /// Free segments below which writers do.
    @inline(__always)
    var lowMark: Int { Int(truncatingIfNeeded: lowMarkWord.loadRelaxed()) }

    /// Small pools have no segments to keep free, and are compacted when one is needed.
    private func setMarks(segments count: Int) {
        let reserve = options.compactionReserve + options.deleteReserve
        let low = count < 16 ? 0 : reserve + min(2, count / 16) + count / 512
        lowMarkWord.storeRelaxed(UInt64(low))
        highMarkWord.storeRelaxed(UInt64(count < 16 ? 0 : low + 1 + count / 512))
    }

    /// Takes over what the pool has grown by, once that is durable (I15): what counts it first,
    /// then it. Compaction lock held.
    func extend(to size: PoolSize) {
        liveness.begin(segments.all.upperBound..<SegmentNumber(size.segments))
        garbage.extend(toSegments: size.segments)
        segments.extend(to: size)
        setMarks(segments: size.segments)
    }

    /// Free segments that a write has to leave alone.
    func reserve(for use: Use) -> Int {
        options.compactionReserve + (use == .tombstones ? 0 : options.deleteReserve)
    }

    /// Whether there is no more than the reserves.
    var isNearlyFull: Bool { segments.freeCount < reserve(for: .records) }

    /// Whether there is so much room that each head may keep a segment open.
    var hasRoomForAllHeads: Bool { segments.freeCount > log.headCount * 4 }

    /// What room is wanted for: a pool that is full of values still takes removals.
    enum Use {
        case records
        case tombstones

        @inline(__always)
        init(_ kind: RecordKind) { self = kind.isFound ? .records : .tombstones }
    }

    /// Whether nobody can look any more at what an extent held when it became unreachable: the
    /// readers of that epoch are gone, none of them has left a pin for a body of its caller, and no
    /// copy of the pool has yet to read it.
    func mayBeReused(_ extent: SegmentNumber, unreachableSince epoch: UInt64) -> Bool {
        records.epochs.hasPassed(epoch) && !gate.callbacks.arePinning(extent.rawValue)
            && !isHeldByCopy(extent)
    }

    /// Makes an extent free: durably, then for the next who takes it.
    func free(_ extent: SegmentNumber) throws(StoreError) {
        try gate.guarded { () throws(StoreError) in
            assert(isUntrusted(extent))
            try segments.release(extent) { liveness.forget(extent) }
        }
        known.forget(extent)
    }

    /// Units that compaction can write before it frees anything. Compaction lock held.
    func compactionRoom(_ head: borrowing OwnedHead) -> Units {
        head.capacity - head.position + segments.freeCount * segments.geometry.segmentUnits
    }
}
