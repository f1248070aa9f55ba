/// Where writers append: an open extent, the position in it, and what its summary will say.
///
/// A handle that anybody may hold; what is behind it belongs to its owner, an ``OwnedHead``. In
/// memory a line of words that others look at, then ``HeadState``.
@safe
struct LogHead: Equatable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer

    private static let line = 64

    static func allocate() -> LogHead {
        let bytes = line + MemoryLayout<HeadState>.stride
        let base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: line)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: line)
        unsafe (base + line).initializeMemory(as: HeadState.self, to: HeadState())
        let head = unsafe LogHead(base: base)
        head.relaxedFrom.storeRelaxed(UInt64(Int.max))
        head.extentWord.storeRelaxed(.max)
        return head
    }

    private init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

    static func == (left: LogHead, right: LogHead) -> Bool { unsafe left.base == right.base }

    func deallocate() {
        unsafe state.deinitialize(count: 1)
        unsafe base.deallocate()
    }

    @unsafe @inline(__always)
    fileprivate var state: UnsafeMutablePointer<HeadState> {
        unsafe (base + Self.line).assumingMemoryBound(to: HeadState.self)
    }

    @inline(__always)
    private func word(_ number: Int) -> AtomicWord { unsafe AtomicWord(base).next(number) }
    @inline(__always)
    fileprivate var lock: SpinLock { SpinLock(word(0)) }
    @inline(__always)
    fileprivate var relaxedFrom: AtomicWord { word(1) }
    @inline(__always)
    fileprivate var extentWord: AtomicWord { word(2) }

    // MARK: What anybody may ask

    /// The extent the head is in, which may be another one by now.
    var lastSeenExtent: SegmentNumber? {
        let word = extentWord.loadRelaxed()
        return word == .max ? nil : SegmentNumber(Int(word))
    }

    /// Whether relaxed records wait for a flush or its drain.
    @inline(__always)
    var hasRelaxed: Bool { relaxedFrom.loadRelaxed() != UInt64(Int.max) }

    /// Waits for the owner there is.
    func passThrough() { lock.passThrough() }

    /// Becomes the owner, if there is none.
    @inline(__always)
    func tryOwn() -> OwnedHead? { lock.tryLock() ? OwnedHead(self) : nil }

    /// Becomes the owner; waits for the one there is.
    func own() -> OwnedHead {
        lock.lock()
        return OwnedHead(self)
    }
}

/// What the owner of a head sees alone.
@safe
private struct HeadState: ~Copyable {
    var position = Units.zero
    /// Zero when there is no extent.
    var capacity = Units.zero
    var durableEnd = Units.zero
    var salt: UInt64 = 0
    var start = Location(units: 0)
    var entries = EntryList()
    var isForTombstones = false
    /// The log that seals or frees the extent when the head is given back; nil for shared heads.
    var privateTo: Log?
    let staging = UnsafeMutableRawPointer.allocate(
        byteCount: OwnedHead.stagingBytes, alignment: 64)

    deinit { unsafe staging.deallocate() }
}

/// A log head that its thread owns: the right to append. Given back when it goes out of scope, in
/// one place, whatever happened meanwhile.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I3: a head belongs to one thread from the reservation of a place until the fence that makes
///   the record durable, except on media whose drain covers all threads.
/// - position + room for the summary of all entries never exceeds the capacity.
/// - Everything before durableEnd is durable; what lies between relaxedFrom and position may still
///   need a flush or its drain.
struct OwnedHead: ~Copyable {
    let head: LogHead

    @inline(__always)
    fileprivate init(_ head: LogHead) { self.head = head }

    @inline(__always)
    deinit {
        if unsafe head.state.pointee.privateTo == nil {
            head.lock.unlock()
        } else {
            Self.endPrivate(head)
        }
    }

    /// Gives the head back.
    @inline(__always)
    consuming func release() {}

    // MARK: A head of one's own

    /// A head for one long record or batch alone.
    static func makePrivate(in log: Log) -> OwnedHead {
        let owned = LogHead.allocate().own()
        unsafe owned.head.state.pointee.privateTo = log
        return owned
    }

    var isPrivate: Bool { unsafe head.state.pointee.privateTo != nil }

    @inline(never)
    private static func endPrivate(_ head: LogHead) {
        guard let log = unsafe head.state.pointee.privateTo else { return }
        unsafe head.state.pointee.privateTo = nil
        log.endPrivate(OwnedHead(head))
        head.deallocate()
    }

    // MARK: The extent

    @inline(__always)
    var extent: SegmentNumber? { head.lastSeenExtent }
    @inline(__always)
    var position: Units { unsafe head.state.pointee.position }
    var capacity: Units { unsafe head.state.pointee.capacity }
    @inline(__always)
    var salt: UInt64 { unsafe head.state.pointee.salt }
    @inline(__always)
    var durableEnd: Units { unsafe head.state.pointee.durableEnd }
    /// Where the next record goes.
    @inline(__always)
    var location: Location { unsafe head.state.pointee.start + head.state.pointee.position }
    var isEmpty: Bool { unsafe head.state.pointee.entries.isEmpty }

    /// Opened with space that is kept for tombstones: puts may not use it up.
    @inline(__always)
    var isForTombstones: Bool {
        get { unsafe head.state.pointee.isForTombstones }
        nonmutating set { unsafe head.state.pointee.isForTombstones = newValue }
    }

    static let stagingBytes = 4096

    /// Memory in which a record is put together before it goes to the medium in one piece.
    @unsafe @inline(__always)
    var staging: UnsafeMutableRawPointer { unsafe head.state.pointee.staging }

    /// Gives the entries of the summary to body.
    func withEntries<R>(_ body: (Span<SummaryEntry>) -> R) -> R {
        body(unsafe head.state.pointee.entries.buffer.span)
    }

    /// Whether records of this many units, and the summary with them in it, still fit.
    @inline(__always)
    func fits(units: Units, entries: Int) -> Bool {
        let count = unsafe head.state.pointee.entries.count
        return position + units + Summary.units(entries: count + entries) <= capacity
    }

    /// Begins to append to an extent, at its start.
    func begin(_ extent: SegmentNumber, of segments: Segments) {
        assert(self.extent == nil && segments.phase(extent) == .open)
        unsafe head.state.pointee.position = .zero
        unsafe head.state.pointee.durableEnd = .zero
        unsafe head.state.pointee.capacity = segments.capacity(extent)
        unsafe head.state.pointee.salt = segments.salt(extent)
        unsafe head.state.pointee.start = segments.geometry.firstLocation(of: extent)
        unsafe head.state.pointee.entries.removeAll()
        isForTombstones = false
        head.relaxedFrom.storeRelaxed(UInt64(Int.max))
        head.extentWord.storeRelaxed(UInt64(extent.rawValue))
    }

    /// Leaves the extent, if there is one.
    func leave() {
        unsafe head.state.pointee.capacity = .zero
        unsafe head.state.pointee.position = .zero
        head.relaxedFrom.storeRelaxed(UInt64(Int.max))
        head.extentWord.storeRelaxed(.max)
    }

    /// Takes over the extent of another head, which has none afterwards.
    func takeOver(_ other: borrowing OwnedHead) {
        assert(extent == nil)
        let theirs = unsafe other.head.state
        unsafe head.state.pointee.position = theirs.pointee.position
        unsafe head.state.pointee.durableEnd = theirs.pointee.durableEnd
        unsafe head.state.pointee.capacity = theirs.pointee.capacity
        unsafe head.state.pointee.salt = theirs.pointee.salt
        unsafe head.state.pointee.start = theirs.pointee.start
        unsafe swap(&head.state.pointee.entries, &theirs.pointee.entries)
        isForTombstones = other.isForTombstones
        head.relaxedFrom.storeRelaxed(other.head.relaxedFrom.loadRelaxed())
        head.extentWord.storeRelaxed(other.head.extentWord.loadRelaxed())
        other.leave()
    }

    // MARK: Records

    /// A record was written at the position; the position moves behind it.
    @inline(__always)
    func advance(
        _ hash: KeyHash, _ sequence: SequenceNumber, _ units: Units, _ kind: RecordKind
    ) {
        unsafe head.state.pointee.entries.append(
            SummaryEntry(
                hash: hash, sequence: sequence, offset: position, units: units, kind: kind))
        unsafe head.state.pointee.position = position + units
        assert(fits(units: .zero, entries: 0))
    }

    /// Takes over the records that recovery found in an extent, all durable by now.
    func adopt(_ contents: ExtentContents) {
        assert(contents.leavesRoomForSummary(capacity: capacity))
        for entry in contents.entries { unsafe head.state.pointee.entries.append(entry) }
        unsafe head.state.pointee.position = contents.end
        unsafe head.state.pointee.durableEnd = contents.end
    }

    /// A drain has returned that covers everything in the head.
    @inline(__always)
    func noteAllDurable() {
        unsafe head.state.pointee.durableEnd = position
        head.relaxedFrom.storeRelaxed(UInt64(Int.max))
    }

    /// A drain has returned that covers the head up to `end`.
    func noteDurable(upTo end: Units) {
        unsafe head.state.pointee.durableEnd = max(durableEnd, end)
        if position == end { head.relaxedFrom.storeRelaxed(UInt64(Int.max)) }
    }

    /// Where the relaxed records begin that no drain has covered yet; nil when there are none.
    @inline(__always)
    var firstRelaxed: Units? {
        head.hasRelaxed ? Units(Int(head.relaxedFrom.loadRelaxed())) : nil
    }

    /// What is written from here on is relaxed.
    func beginRelaxed() {
        guard !head.hasRelaxed else { return }
        head.relaxedFrom.storeRelaxed(UInt64(position.count))
    }
}

/// The entries of a summary to be. An array would be asked whether it is shared at every record.
@safe
private struct EntryList: ~Copyable {
    private var base: UnsafeMutablePointer<SummaryEntry>?
    private(set) var count = 0
    private var capacity = 0

    init() { unsafe base = nil }

    deinit { unsafe base?.deallocate() }

    var isEmpty: Bool { count == 0 }

    var buffer: UnsafeBufferPointer<SummaryEntry> {
        unsafe UnsafeBufferPointer(start: base, count: count)
    }

    @inline(__always)
    mutating func append(_ entry: SummaryEntry) {
        if count == capacity { grow() }
        unsafe base.unsafelyUnwrapped[count] = entry
        count &+= 1
    }

    mutating func removeAll() { count = 0 }

    @inline(never)
    private mutating func grow() {
        let larger = max(64, capacity * 2)
        let grown = UnsafeMutablePointer<SummaryEntry>.allocate(capacity: larger)
        if let base = unsafe base {
            unsafe grown.update(from: base, count: count)
            unsafe base.deallocate()
        }
        unsafe base = grown
        capacity = larger
    }
}
