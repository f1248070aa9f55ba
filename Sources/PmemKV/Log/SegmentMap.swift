import CPmem

/// What DRAM knows of one segment.
struct SegmentState {
    enum Phase: UInt32 {
        case free
        /// Being appended to.
        case open
        /// Closed for appending; a candidate for compaction.
        case sealed
        /// Holds records that no longer verify: never compacted, never freed.
        case quarantined
        /// Its copies are durable; readers may still look at it.
        case limbo
        case checkpoint
        /// A later segment of the extent whose first segment is `first`.
        case continuation
    }

    var life: LifeWord
    var salt: UInt64
    var phase: Phase
    var first: UInt32
    /// End of the records in units, once sealed.
    var endUnits: UInt64
    var retiredEpoch: UInt64
    /// Units that a clean close proved durable in an extent it left open.
    var provenUnits = 0
    /// Whether the medium was asked to make the segment's pages ready since the pool was opened.
    var isPrepared = false
}

/// What is counted for each extent, in words of its first segment.
enum SegmentCounter: Int {
    /// Units of put records ever written here. Written by the owner of the log head alone, so
    /// that a put pays no locked instruction for it.
    case bornUnits
    /// Units of those that are no longer the newest of their key. Atomic.
    case deadUnits
    /// Units of tombstones written here. Written by the owner of the log head alone.
    case tombstoneUnits
    /// The lowest sequence number of a put record here that is no longer the newest of its key;
    /// UInt64.max when there is none. Atomic.
    case oldestDead
}

/// The two lowest `oldestDead` of different extents: enough to leave any one extent out.
struct OldestDead {
    private var lowest = UInt64.max
    private var second = UInt64.max
    private var holder = -1

    mutating func add(_ sequence: UInt64, of segment: Int) {
        if sequence < lowest {
            second = lowest
            lowest = sequence
            holder = segment
        } else {
            second = min(second, sequence)
        }
    }

    /// The lowest of all extents but one.
    func except(_ segment: Int) -> UInt64 { segment == holder ? second : lowest }
}

/// All segments: which are free, and what the others hold.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I1: the life word of a new life is durable before the first record of that life.
/// - I6: a segment is free only after its free life word is durable; only then is it reused, alone
///   or inside a longer extent.
/// - Phases change under `lock`; the counters are atomic.
/// - A generation is never used twice: it only grows, and a segment whose generation would wrap is
///   not used again.
final class SegmentMap: @unchecked Sendable {
    let geometry: Geometry
    let poolID: UInt64
    let states: UnsafeMutablePointer<SegmentState>
    let lock: SpinLock
    private let medium: Medium
    private let counters: UnsafeMutablePointer<UInt64>
    /// The lock's word, then that of ``freeCount``.
    private let lockWord = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    private let prefaulter: Prefaulter?
    private var searchStart = 0

    init(geometry: Geometry, poolID: UInt64, medium: Medium) {
        self.geometry = geometry
        self.poolID = poolID
        self.medium = medium
        prefaulter = medium.firstTouchIsSlow ? Prefaulter() : nil
        lockWord.initializeMemory(as: UInt64.self, repeating: 0, count: 2)
        lock = SpinLock(AtomicWord(lockWord))
        states = .allocate(capacity: geometry.segmentCount)
        states.initialize(
            repeating: SegmentState(
                life: LifeWord(rawValue: 0), salt: 0, phase: .free, first: 0, endUnits: 0,
                retiredEpoch: 0),
            count: geometry.segmentCount)
        counters = .allocate(capacity: geometry.segmentCount * 4)
        for segment in 0..<geometry.segmentCount { resetCounters(segment) }
    }

    deinit {
        states.deallocate()
        counters.deallocate()
        lockWord.deallocate()
    }

    // MARK: Accounting

    /// Free segments. Changed under `lock`; every writer looks at it without.
    @inline(__always)
    private(set) var freeCount: Int {
        get { Int(truncatingIfNeeded: cpmem_load_relaxed(lockWord + 8)) }
        set { cpmem_store_relaxed(lockWord + 8, UInt64(truncatingIfNeeded: newValue)) }
    }

    @inline(__always)
    func counter(_ segment: Int, _ which: SegmentCounter) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(counters + (segment &* 4 &+ which.rawValue))
    }

    func value(_ segment: Int, _ which: SegmentCounter) -> UInt64 {
        cpmem_load_acquire(counter(segment, which))
    }

    private func resetCounters(_ segment: Int) {
        setCounters(segment, live: 0, tombstones: 0, oldestDead: .max)
    }

    func setCounters(_ segment: Int, live: UInt64, tombstones: UInt64, oldestDead: UInt64) {
        cpmem_store_relaxed(counter(segment, .bornUnits), live)
        cpmem_store_relaxed(counter(segment, .deadUnits), 0)
        cpmem_store_relaxed(counter(segment, .tombstoneUnits), tombstones)
        cpmem_store_relaxed(counter(segment, .oldestDead), oldestDead)
    }

    /// Units of put records in an extent that are the newest of their key.
    func liveUnits(_ segment: Int) -> Int {
        let dead = value(segment, .deadUnits)
        return Int(truncatingIfNeeded: value(segment, .bornUnits) &- dead)
    }

    /// The first segment of the extent that a location lies in. The location is one of a record.
    @inline(__always)
    func first(of location: Location) -> Int {
        Int(states[geometry.segment(of: location) ?? 0].first)
    }

    /// A record was appended to the extent. Called by the owner of its log head alone.
    @inline(__always)
    func recordAppended(_ segment: Int, units: Int, tombstone: Bool) {
        let word = counter(segment, tombstone ? .tombstoneUnits : .bornUnits)
        cpmem_store_relaxed(word, cpmem_load_relaxed(word) &+ UInt64(truncatingIfNeeded: units))
    }

    /// The record there is no longer the newest of its key.
    @inline(__always)
    func recordDied(_ location: Location, units: Int, sequence: UInt64) {
        let segment = first(of: location)
        _ = cpmem_fetch_add_relaxed(counter(segment, .deadUnits), UInt64(units))
        cpmem_fetch_min(counter(segment, .oldestDead), sequence)
    }

    /// The lowest sequence number of any superseded put, and the lowest outside the extent that
    /// has it. O(segments).
    func oldestDead() -> OldestDead {
        var result = OldestDead()
        for segment in 0..<geometry.segmentCount {
            switch states[segment].phase {
            case .free, .continuation, .checkpoint: continue
            case .open, .sealed, .quarantined, .limbo:
                result.add(cpmem_load_seq_cst(counter(segment, .oldestDead)), of: segment)
            }
        }
        return result
    }

    // MARK: Building the map when a pool is opened

    func adopt(_ segment: Int, life: LifeWord, phase: SegmentState.Phase) {
        let salt = cpmem_salt(poolID, UInt32(segment), life.generation)
        states[segment].life = life
        states[segment].salt = salt
        states[segment].phase = phase
        states[segment].first = UInt32(segment)
        guard phase != .free else {
            freeCount += 1
            return
        }
        for offset in 1..<max(1, life.span) {
            states[segment + offset].phase = .continuation
            states[segment + offset].first = UInt32(segment)
        }
    }

    /// Takes over the life word of a segment inside an extent: its own next life goes on from it.
    func adoptLife(ofContinuation segment: Int, _ life: LifeWord) {
        states[segment].life = life
    }

    // MARK: Taking and giving back

    /// Takes span contiguous free segments while leaving at least `reserve` others free, and makes
    /// their new life durable. Nil when there are none.
    func take(
        span: Int, reserve: Int, state: LifeWord.State
    ) throws(StoreError) -> Int? {
        lock.lock()
        guard freeCount >= span + reserve, let segment = findRun(span) else {
            lock.unlock()
            return nil
        }
        let phase: SegmentState.Phase = state == .log ? .open : .checkpoint
        let old = states[segment].life
        let life = LifeWord(
            poolID: poolID, segment: segment, generation: old.generation + 1, span: span,
            state: state)
        freeCount -= span
        // A continuation keeps its own life word: the extent's first segment speaks for it, and
        // its own next life will have its own salt.
        for offset in 0..<span {
            states[segment + offset].phase = offset == 0 ? phase : .continuation
            states[segment + offset].first = UInt32(segment)
        }
        states[segment].life = life
        states[segment].salt = cpmem_salt(poolID, UInt32(segment), life.generation)
        states[segment].endUnits = 0
        resetCounters(segment)
        searchStart = segment + span
        let unprepared = (segment..<(segment + span)).filter(claimPreparation)
        lock.unlock()
        unprepared.forEach(prepare)
        prefaulter?.ask(prepareNext)
        medium.store(life.rawValue, to: geometry.line(ofSegment: segment), site: .activateLife)
        try medium.drain(site: .activateDrain)
        return segment
    }

    /// Faults the pages in at once: one by one, at the first store to each, costs several times
    /// as much and falls to puts.
    private func prepare(_ segment: Int) {
        medium.prepare(at: geometry.offset(ofSegment: segment), count: geometry.segmentSize)
    }

    /// Whether nobody has prepared the segment since the pool was opened; then the caller is to.
    /// Under `lock`.
    private func claimPreparation(_ segment: Int) -> Bool {
        defer { states[segment].isPrepared = true }
        return !states[segment].isPrepared
    }

    /// Free segments behind the last one taken that are kept prepared.
    private static let prefaultedAhead = 2

    /// Prepares one of the segments that are taken next. False when all are.
    private func prepareNext() -> Bool {
        lock.lock()
        let next = (searchStart..<geometry.segmentCount).lazy
            .filter { self.states[$0].phase == .free }.prefix(Self.prefaultedAhead)
            .first(where: claimPreparation)
        lock.unlock()
        next.map(prepare)
        return next != nil
    }

    /// Returns when no segment is being prepared any more, and none will be.
    func stopPrefaulting() { prefaulter?.stop() }

    /// Makes the next search for free segments begin here: copies out of a window that is being
    /// emptied should not land in it.
    func searchNext(from segment: Int) {
        lock.lock()
        searchStart = segment
        lock.unlock()
    }

    private func findRun(_ span: Int) -> Int? {
        let count = geometry.segmentCount
        if searchStart >= count { searchStart = 0 }
        return findRun(span, in: searchStart..<count) ?? findRun(span, in: 0..<count)
    }

    private func findRun(_ span: Int, in range: Range<Int>) -> Int? {
        var length = 0
        for segment in range {
            let usable =
                states[segment].phase == .free && states[segment].life.generation < UInt32.max
            length = usable ? length + 1 : 0
            if length == span { return segment - span + 1 }
        }
        return nil
    }

    func markSealed(_ segment: Int, endUnits: Int) {
        lock.lock()
        states[segment].endUnits = UInt64(endUnits)
        states[segment].phase = .sealed
        lock.unlock()
    }

    func setPhase(_ segment: Int, _ phase: SegmentState.Phase) {
        lock.lock()
        states[segment].phase = phase
        lock.unlock()
    }

    /// Puts an extent aside until no reader can hold it.
    func retire(_ segment: Int, epoch: UInt64) {
        lock.lock()
        states[segment].phase = .limbo
        states[segment].retiredEpoch = epoch
        lock.unlock()
    }

    /// Makes the free state of an extent durable, then its segments available. The caller is the
    /// only one who may give it up: it holds the compaction lock, or the extent is still open.
    func release(_ segment: Int) throws(StoreError) {
        let old = states[segment].life
        let life = LifeWord(
            poolID: poolID, segment: segment, generation: old.generation, span: 1, state: .free)
        medium.store(life.rawValue, to: geometry.line(ofSegment: segment), site: .freeLife)
        try medium.drain(site: .freeDrain)
        lock.lock()
        states[segment].life = life
        for offset in 0..<old.span {
            states[segment + offset].phase = .free
            states[segment + offset].first = UInt32(segment + offset)
        }
        freeCount += old.span
        lock.unlock()
    }
}
