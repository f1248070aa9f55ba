import Synchronization

/// What DRAM knows of all segments, and how their lives begin and end on the medium.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I1: the life word of a new life is durable before the first record of that life.
/// - I6: a segment is free only after its free life word is durable; only then is it reused, alone
///   or inside a longer extent.
/// - Roles, lives and ends change under the lock; every word is atomic, so that anybody may look.
/// - A generation is never used twice: it only grows, and a segment whose generation would wrap is
///   not used again.
/// - There is room here for all segments that the pool may grow to, which costs addresses only. A
///   segment is one of ``all`` when it is durably the pool's (I16), and everything about it is set.
final class Segments: @unchecked Sendable {
    let geometry: Geometry
    let poolID: UInt64
    private let medium: Medium
    private let segmentCount: Atomic<Int>
    private let poolBytes: Atomic<Int>
    /// One line a segment; see ``Word``.
    private let lines: SharedLines
    /// What was appended to each extent, by kind. Away from the lines that readers look at, since
    /// every put writes here.
    private let appended: ExtentWords
    /// The lock's word, then those of ``freeCount``, ``longestRecord`` and ``livesBegun``.
    private let shared = SharedLines(1)
    var lock: SpinLock { SpinLock(shared[0]) }
    /// The free segments that may be used. Under the lock.
    let free: NumberSet
    /// Extents, by their first segments, that were sealed or gained garbage since somebody drained
    /// this.
    let changed: NumberSet
    /// Where the next search for free segments begins. Under the lock.
    var searchStart = 0
    /// Prepares segments, so that no writer waits for page faults: the first touch of a page costs
    /// a fault, and where the file system had not written its blocks yet a journal commit besides,
    /// milliseconds for a segment, or a round of the disk in which that happens.
    let prefaulter: BackgroundWorker?

    init(geometry: Geometry, size: PoolSize, poolID: UInt64, medium: Medium) {
        self.geometry = geometry
        segmentCount = Atomic(size.segments)
        poolBytes = Atomic(size.bytes)
        self.poolID = poolID
        self.medium = medium
        prefaulter = medium.firstUseIsSlow ? BackgroundWorker(label: "pmemkv.prefault") : nil
        free = NumberSet(capacity: geometry.segmentLimit)
        changed = NumberSet(capacity: geometry.segmentLimit)
        lines = SharedLines(geometry.segmentLimit)
        appended = ExtentWords(geometry)
    }

    // MARK: How many there are

    /// The size of the pool. Under the compaction lock it stays as it is.
    var size: PoolSize {
        PoolSize(bytes: poolBytes.load(ordering: .acquiring), segments: count)
    }

    /// Segments of the pool.
    var count: Int { segmentCount.load(ordering: .acquiring) }

    /// All segments of the pool, as it is now.
    var all: Range<SegmentNumber> { SegmentNumber(0)..<SegmentNumber(count) }

    /// The segment a location lies in; nil outside the segments. Whoever was told of a record was
    /// told of its segment before.
    @inline(__always)
    func segment(of location: Location) -> SegmentNumber? {
        geometry.segment(of: location, among: segmentCount.load(ordering: .relaxed))
    }

    /// Takes over what the pool has grown by, once that is durable. Compaction lock held.
    func extend(to size: PoolSize) {
        let new = all.upperBound..<SegmentNumber(size.segments)
        lock.lock()
        for segment in new {
            let life = LifeWord.unused(poolID: poolID, segment: segment)
            self[segment, .life].storeRelaxed(life.rawValue)
            makeFree(segment)
        }
        poolBytes.store(size.bytes, ordering: .releasing)
        segmentCount.store(size.segments, ordering: .releasing)
        freeCount += new.count
        lock.unlock()
    }

    // MARK: Words

    private enum Word: Int {
        case role, life, sealedEnd, provenEnd, retiredEpoch, isPrepared
        /// Those of the extent, in the lines of all its segments.
        case salt, end
    }

    @inline(__always)
    private subscript(segment: SegmentNumber, word: Word) -> AtomicWord {
        lines[segment.rawValue, word.rawValue]
    }

    @inline(__always)
    func role(_ segment: SegmentNumber) -> SegmentRole {
        SegmentRole(rawValue: self[segment, .role].loadRelaxed())
    }

    func setRole(_ segment: SegmentNumber, _ role: SegmentRole) {
        self[segment, .role].storeRelease(role.rawValue)
    }

    @inline(__always)
    func phase(_ segment: SegmentNumber) -> SegmentPhase { role(segment).phase }

    /// Segments of the extent that begins here; one for a free segment.
    @inline(__always)
    func span(_ segment: SegmentNumber) -> Int { role(segment).span }

    func capacity(_ segment: SegmentNumber) -> Units { geometry.units(ofSpan: span(segment)) }

    /// What the checksums of the records begin with in the extent that a segment belongs to.
    @inline(__always)
    func salt(_ segment: SegmentNumber) -> UInt64 { self[segment, .salt].loadRelaxed() }

    func life(_ segment: SegmentNumber) -> LifeWord {
        LifeWord(rawValue: self[segment, .life].loadRelaxed())
    }

    /// Where the records of a sealed extent end.
    func sealedEnd(_ segment: SegmentNumber) -> Units {
        Units(Int(self[segment, .sealedEnd].loadRelaxed()))
    }

    /// How far a clean close proved an extent durable that it left open.
    func provenEnd(_ segment: SegmentNumber) -> Units {
        Units(Int(self[segment, .provenEnd].loadRelaxed()))
    }

    /// The epoch in which an extent in limbo was retired.
    func retiredEpoch(_ segment: SegmentNumber) -> UInt64 {
        self[segment, .retiredEpoch].loadRelaxed()
    }

    /// Whether the medium was asked to make the segment's pages ready since the pool was opened.
    func isPrepared(_ segment: SegmentNumber) -> Bool {
        self[segment, .isPrepared].loadRelaxed() != 0
    }

    /// Whether the segment, which is free, needs to be prepared, and nobody has done so since the
    /// pool was opened; then the caller is to.
    func claimPreparation(_ segment: SegmentNumber) -> Bool {
        (medium.firstTouchIsSlow || life(segment).generation == 0)
            && self[segment, .isPrepared].compareExchange(0, 1)
    }

    /// An extent as a reader of its records needs it.
    func extent(_ segment: SegmentNumber) -> Extent {
        let isSealed = [.sealed, .quarantined].contains(phase(segment))
        return Extent(
            first: segment, life: life(segment), salt: salt(segment),
            sealedEnd: isSealed ? sealedEnd(segment) : nil, provenEnd: provenEnd(segment))
    }

    /// What a record needs to know of the extent that a segment belongs to.
    @inline(__always)
    func bounds(ofExtentWith segment: SegmentNumber) -> ExtentBounds {
        ExtentBounds(
            salt: salt(segment), end: Int(truncatingIfNeeded: self[segment, .end].loadRelaxed()))
    }

    /// The first segment of the extent that a record lies in.
    @inline(__always)
    func extent(of location: Location) -> SegmentNumber {
        role(segment(of: location) ?? SegmentNumber(0)).first
    }

    /// Free segments. Changed under the lock; every writer looks at it without.
    @inline(__always)
    private(set) var freeCount: Int {
        get { Int(truncatingIfNeeded: shared[1].loadRelaxed()) }
        set { shared[1].storeRelaxed(UInt64(truncatingIfNeeded: newValue)) }
    }

    /// Lives that began since the pool was opened. Where the number is what it was, no place of the
    /// log holds another record than it did: changed under the lock, before anything is written in
    /// the new life.
    @inline(__always)
    private(set) var livesBegun: UInt64 {
        get { shared[3].loadAcquire() }
        set { shared[3].storeRelease(newValue) }
    }

    /// The longest record in any extent that was sealed, or looked at, since the pool was opened,
    /// of those that are no longer than a segment.
    var longestRecord: Units { Units(Int(truncatingIfNeeded: shared[2].loadRelaxed())) }

    func noteLongest(_ units: Units) {
        let new = UInt64(units.count)
        var known = shared[2].loadRelaxed()
        while new > known, !shared[2].compareExchange(known, new) {
            known = shared[2].loadRelaxed()
        }
    }

    // MARK: What was appended

    /// Units of records of a kind ever appended to an extent. Written by the owner of the log head
    /// alone, so that a put pays no locked instruction for it.
    @inline(__always)
    private func appendedWord(_ segment: SegmentNumber, _ kind: RecordKind) -> AtomicWord {
        appended[segment, kind.isFound ? 0 : 1]
    }

    @inline(__always)
    func appendedUnits(_ segment: SegmentNumber, _ kind: RecordKind) -> Units {
        Units(Int(truncatingIfNeeded: appendedWord(segment, kind).loadAcquire()))
    }

    @inline(__always)
    func noteAppended(_ segment: SegmentNumber, _ kind: RecordKind, _ units: Units) {
        appendedWord(segment, kind).addAsOnlyWriter(UInt64(truncatingIfNeeded: units.count))
    }

    func setAppended(_ segment: SegmentNumber, puts: Units, tombstones: Units) {
        appendedWord(segment, .put).storeRelaxed(UInt64(puts.count))
        appendedWord(segment, .tombstone).storeRelaxed(UInt64(tombstones.count))
    }

    // MARK: Phases

    /// Takes over the table of a pool that is being opened.
    func adopt(_ table: SegmentTable) {
        for segment in all {
            guard let life = table.lives[segment.rawValue] else { continue }
            self[segment, .life].storeRelaxed(life.rawValue)
            makeFree(segment)
        }
        freeCount = count
        for extent in table.extents {
            begin(extent.first, extent.life, extent.life.state == .log ? .open : .checkpoint)
            self[extent.first, .provenEnd].storeRelaxed(UInt64(extent.provenEnd.count))
            if extent.life.state == .log, let end = extent.sealedEnd {
                markSealed(extent.first, end: end)
            }
        }
    }

    /// Makes free segments an extent. Under the lock, or before anybody else looks.
    ///
    /// A continuation keeps its own life word: the extent's first segment speaks for it, and its
    /// own next life goes on from it.
    private func begin(_ segment: SegmentNumber, _ life: LifeWord, _ phase: SegmentPhase) {
        let salt = life.salt(poolID: poolID, segment: segment)
        let end = UInt64(geometry.offset(of: segment) + life.span * geometry.segmentSize)
        for inner in segment..<(segment + life.span) {
            assert(self.phase(inner) == .free)
            free.remove(inner.rawValue)
            self[inner, .salt].storeRelaxed(salt)
            self[inner, .end].storeRelaxed(end)
            setRole(
                inner,
                SegmentRole(
                    inner == segment ? phase : .continuation, first: segment,
                    span: inner == segment ? life.span : 1))
        }
        self[segment, .life].storeRelaxed(life.rawValue)
        self[segment, .sealedEnd].storeRelaxed(0)
        self[segment, .provenEnd].storeRelaxed(0)
        assert(appendedUnits(segment, .put) == .zero)
        assert(appendedUnits(segment, .tombstone) == .zero)
        freeCount -= life.span
        livesBegun &+= 1
    }

    private func makeFree(_ segment: SegmentNumber) {
        setRole(segment, SegmentRole(.free, first: segment, span: 1))
        if life(segment).generation < LifeWord.lastGeneration { free.insert(segment.rawValue) }
    }

    func markSealed(_ segment: SegmentNumber, end: Units) {
        assert(phase(segment) == .open && end <= capacity(segment))
        lock.lock()
        self[segment, .sealedEnd].storeRelaxed(UInt64(end.count))
        setRole(segment, role(segment).with(.sealed))
        lock.unlock()
        changed.insert(segment.rawValue)
    }

    /// Keeps an extent from ever being compacted or freed: its records no longer verify.
    func quarantine(_ segment: SegmentNumber) {
        assert(phase(segment) == .sealed)
        lock.lock()
        setRole(segment, role(segment).with(.quarantined))
        lock.unlock()
    }

    /// Puts an extent aside until no reader can hold it.
    func retire(_ segment: SegmentNumber, epoch: UInt64) {
        assert(phase(segment) == .sealed)
        lock.lock()
        self[segment, .retiredEpoch].storeRelaxed(epoch)
        setRole(segment, role(segment).with(.limbo))
        lock.unlock()
    }

    // MARK: Lives on the medium

    /// Takes span contiguous free segments while leaving at least `reserve` others free, and makes
    /// their new life durable. Nil when there are none.
    ///
    /// - Parameter window: segments that are not to be taken.
    func take(
        span: Int, reserve: Int, state: LifeWord.State, outside window: Range<SegmentNumber>?
    ) throws(StoreError) -> SegmentNumber? {
        lock.lock()
        guard freeCount >= span + reserve, let segment = findRun(span, outside: window) else {
            lock.unlock()
            return nil
        }
        let life = LifeWord(
            poolID: poolID, segment: segment, generation: life(segment).generation + 1, span: span,
            state: state)
        let unprepared = (segment..<(segment + span)).filter(claimPreparation)
        begin(segment, life, state == .log ? .open : .checkpoint)
        searchStart = segment.rawValue + span
        lock.unlock()
        // Elsewhere the pages would be written back, as they are, with the round that follows.
        if medium.firstTouchIsSlow { unprepared.forEach(prepare) }
        prefaulter?.ask(prepareNext)
        try storeLife(life, of: segment, site: .activateLife, drain: .activateDrain)
        return segment
    }

    /// Makes the free state of an extent durable, then its segments available. The caller is the
    /// only one who may give it up: it holds the compaction lock, or the extent is still open.
    ///
    /// - Parameter forget: called when nothing of the extent is left on the medium and nobody has
    ///   taken it again.
    func release(
        _ segment: SegmentNumber, forget: () -> Void = {}
    ) throws(StoreError) {
        let old = life(segment)
        assert([.open, .limbo, .checkpoint].contains(phase(segment)))
        let life = LifeWord(
            poolID: poolID, segment: segment, generation: old.generation, span: 1, state: .free)
        try storeLife(life, of: segment, site: .freeLife, drain: .freeDrain)
        forget()
        setAppended(segment, puts: .zero, tombstones: .zero)
        lock.lock()
        self[segment, .life].storeRelaxed(life.rawValue)
        for inner in segment..<(segment + old.span) { makeFree(inner) }
        freeCount += old.span
        lock.unlock()
    }

    /// Whoever reads the word back finds what was meant, before anything depends on it.
    private func storeLife(
        _ life: LifeWord, of segment: SegmentNumber, site: PersistSite, drain: PersistSite
    ) throws(StoreError) {
        assert(life.isValid(poolID: poolID, segment: segment))
        medium.store(life.rawValue, to: geometry.lifeOffset(of: segment), site: site)
        try medium.drain(site: drain)
        assert(medium.holds(life.rawValue, at: geometry.lifeOffset(of: segment)))
    }

    // MARK: Preparing

    /// Faults the pages in at once: one by one, at the first store to each, costs several times
    /// as much and falls to puts.
    func prepare(_ segment: SegmentNumber) {
        medium.prepare(at: geometry.offset(of: segment), count: geometry.segmentSize)
    }
}
