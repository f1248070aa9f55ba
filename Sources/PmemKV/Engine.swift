import CPmem

/// The store without its public face: log, index and their rules over one medium.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I2: the index is changed only after the fence that made the record durable, except for
///   records the caller asked to be relaxed.
/// - I4: sequence numbers are taken under the shard lock of their key, so records of one key enter
///   the index in the order of their numbers.
/// - Locks are taken in this order: log head, shard (ascending), allocation or the ordered index's
///   own; compaction before head. Nobody waits for space while holding a shard.
/// - Mutable state lies in raw memory behind `let` pointers; the superblock changes under its own
///   lock.
package final class Engine: @unchecked Sendable {
    let medium: Medium
    let geometry: Geometry
    let poolID: UInt64
    let isReadOnly: Bool
    let options: EngineOptions
    let segments: SegmentMap
    let index: HashIndex
    /// The keys in order, where that was asked for.
    let ordered: OrderedIndex?
    let epochs = Epochs()
    /// Heads that writers use, then the one of compaction.
    let heads: LogHeadPointer
    let headCount: Int
    var compactionHead: LogHeadPointer { heads + headCount }
    /// Words shared by all threads; see ``ControlWord``.
    let control: UnsafeMutableRawPointer
    let superblockLock: SpinLock
    let compactionLock: SpinLock
    /// Changed under superblockLock.
    var superblock: SuperblockPair
    /// The extent of the checkpoint that the superblock names, or -1. Under superblockLock.
    var checkpointSegment = -1
    /// Extents that a clean close left open without a tail word (I14: none).
    var unprovenTails = 0
    /// Why writes are refused, once ``ControlWord/failed`` is set. Under superblockLock.
    var failure: StoreError?

    init(
        medium: Medium, superblock: SuperblockPair, geometry: Geometry, options: EngineOptions,
        readOnly: Bool, segments: SegmentMap, index: HashIndex, ordered: OrderedIndex?
    ) {
        self.medium = medium
        self.superblock = superblock
        self.geometry = geometry
        self.options = options
        isReadOnly = readOnly
        poolID = superblock.block.pool_id
        self.segments = segments
        self.index = index
        self.ordered = ordered
        headCount = max(1, min(options.heads, geometry.segmentCount / 4))
        heads = .allocate(capacity: headCount + 1)
        for number in 0...headCount { (heads + number).initialize(to: LogHead()) }
        control = .allocate(byteCount: ControlWord.bytes, alignment: 64)
        control.initializeMemory(as: UInt8.self, repeating: 0, count: ControlWord.bytes)
        superblockLock = SpinLock(AtomicWord(control + ControlWord.superblockLock.rawValue))
        compactionLock = SpinLock(AtomicWord(control + ControlWord.compactionLock.rawValue))
        self[.sequenceLimit] = superblock.block.sequence_limit
        self[.nextSequence] = superblock.block.sequence_limit
    }

    deinit {
        for number in 0...headCount { heads[number].deallocate() }
        heads.deallocate()
        control.deallocate()
    }

    /// A word of the control block, atomically.
    subscript(word: ControlWord) -> UInt64 {
        @inline(__always) get { cpmem_load_acquire(control + word.rawValue) }
        @inline(__always) set { cpmem_store_release(control + word.rawValue, newValue) }
    }

    @inline(__always)
    func add(_ amount: UInt64, to word: ControlWord) {
        _ = cpmem_fetch_add_relaxed(control + word.rawValue, amount)
    }

    // MARK: Whether an operation may run

    @inline(__always)
    func checkReadable() throws(StoreError) {
        if cpmem_load_acquire(control + ControlWord.closed.rawValue) != 0
            || cpmem_fork_count() != self[.forkCount]
        {
            throw closedError
        }
    }

    @inline(__always)
    func checkWritable() throws(StoreError) {
        try checkReadable()
        if isReadOnly || self[.failed] != 0 { throw refusalToWrite }
    }

    private var closedError: StoreError {
        cpmem_fork_count() != self[.forkCount]
            ? StoreError(.closed, "this store belongs to the parent of this forked process")
            : StoreError(.closed, "the store has been closed")
    }

    private var refusalToWrite: StoreError {
        if isReadOnly { return StoreError(.readOnly, "the store was opened read-only") }
        superblockLock.lock()
        defer { superblockLock.unlock() }
        let cause = failure?.description ?? "an earlier write failed"
        return StoreError(
            failure?.code ?? .io, "the store refuses writes until it is opened again: \(cause)",
            cause: failure?.cause)
    }

    /// Makes the store refuse writes: after a failed durability call nothing can be promised.
    func fail(_ error: StoreError) {
        superblockLock.lock()
        if failure == nil { failure = error }
        superblockLock.unlock()
        self[.failed] = 1
    }

    /// Runs what must not fail half-way; a failure poisons the store.
    func guarded<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        do throws(StoreError) {
            return try body()
        } catch {
            if error.code == .io || error.code == .media { fail(error) }
            throw error
        }
    }

    // MARK: Sequence numbers

    /// Takes count consecutive sequence numbers for the owner of a head, which is given back
    /// when that fails.
    ///
    /// I5: a number is below the durable limit of the superblock when it is used, so that after a
    /// crash every new number is above all old ones, torn tails included.
    @inline(__always)
    func takeSequences(
        _ count: Int, owning head: LogHeadPointer
    ) throws(StoreError) -> UInt64 {
        let first = cpmem_fetch_add(
            control + ControlWord.nextSequence.rawValue, UInt64(count))
        if first + UInt64(count) > self[.sequenceLimit] {
            do throws(StoreError) {
                try raiseSequenceLimit(above: first + UInt64(count))
            } catch {
                fail(error)
                releaseHead(head)
                throw error
            }
        }
        return first
    }

    @inline(never)
    private func raiseSequenceLimit(above needed: UInt64) throws(StoreError) {
        superblockLock.lock()
        defer { superblockLock.unlock() }
        while self[.sequenceLimit] < needed {
            let limit = self[.sequenceLimit] + options.sequenceStep
            try superblock.update(medium) { $0.sequence_limit = limit }
            self[.sequenceLimit] = limit
        }
    }
}

/// Tunables that tests set to small numbers.
package struct EngineOptions: Sendable {
    /// Writers that append at the same time without sharing a place.
    package var heads = 8
    /// Sequence numbers made available by one superblock update.
    package var sequenceStep: UInt64 = 1 << 22
    /// Records behind the last checkpoint from which on a clean close writes a new one; the
    /// next open replays fewer than that.
    package var checkpointThreshold = 65_536
    /// Threads that recovery uses at most.
    package var recoveryThreads = 4
    /// Whether reads verify the checksum of what they return.
    package var verifiesReads = true
    /// Segments kept back so that compaction can always run, and one more so that deletes can.
    package var compactionReserve = 1
    package var deleteReserve = 1
    /// Longest wait, in rounds of ``SpinWait``, for readers that keep space from being reused.
    package var readerPatience = 4000
    /// The pool's identity when a supplied medium is formatted; random when nil.
    package var formatIdentity: UInt64?
    /// How a pool at a path makes its system calls.
    package var calls: any PoolCalls = KernelCalls()

    package init() {}
}

/// Offsets of the words that all threads share; words that are written often have lines of
/// their own.
enum ControlWord: Int {
    case nextSequence = 0
    case sequenceLimit = 64
    case closed = 72
    case failed = 80
    case forkCount = 88
    case superblockLock = 128
    case compactionLock = 192
    case privateWriters = 200
    case recordsReplayed = 256
    case compactedSegments = 320
    case compactedUnits = 328
    case compactionRounds = 336

    static let bytes = 384
}
