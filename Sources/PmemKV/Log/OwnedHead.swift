/// A log head that its thread owns: the right to append. Given back when it goes out of scope, in
/// one place, whatever happened meanwhile.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I3: a head belongs to one thread from the reservation of a place until the fence that makes
///   the record durable, except on media whose drain covers all threads.
/// - position + room for the summary of all entries never exceeds the capacity.
/// - Everything before durableEnd is durable; what lies between firstRelaxed and position may still
///   need a flush or its drain.
struct OwnedHead: ~Copyable {
    let head: LogHead

    static let stagingBytes = 4096

    /// - Parameter head: locked by the caller, who passes that on.
    @inline(__always)
    init(_ head: LogHead) { self.head = head }

    @inline(__always)
    deinit {
        if unsafe head.state.pointee.privateTo == nil {
            head.giveBack()
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
    private var place: HeadPlace {
        get { unsafe head.state.pointee.place }
        nonmutating _modify { yield unsafe &head.state.pointee.place }
    }

    @inline(__always)
    var extent: SegmentNumber? { head.lastSeenExtent }
    @inline(__always)
    var position: Units { place.position }
    var capacity: Units { place.capacity }
    @inline(__always)
    var salt: UInt64 { place.salt }
    @inline(__always)
    var durableEnd: Units { place.durableEnd }
    /// Where the next record goes.
    @inline(__always)
    var location: Location { place.start + place.position }
    /// Whether the extent has no records, or there is none.
    var isEmpty: Bool { unsafe head.state.pointee.entries.isEmpty }

    @inline(__always)
    var isForTombstones: Bool {
        get { place.isForTombstones }
        nonmutating set { place.isForTombstones = newValue }
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
        place = HeadPlace(
            start: segments.geometry.firstLocation(of: extent), capacity: segments.capacity(extent),
            salt: segments.salt(extent))
        unsafe head.state.pointee.entries.removeAll()
        head.showRelaxed(from: nil)
        head.show(extent)
    }

    /// Leaves the extent, if there is one.
    func leave() {
        place = HeadPlace()
        unsafe head.state.pointee.entries.removeAll()
        head.showRelaxed(from: nil)
        head.show(nil)
    }

    /// Takes over the extent of another head, which has none afterwards.
    func takeOver(_ other: borrowing OwnedHead) {
        assert(extent == nil)
        place = other.place
        unsafe swap(&head.state.pointee.entries, &other.head.state.pointee.entries)
        head.showRelaxed(from: other.firstRelaxed)
        head.show(other.extent)
        other.leave()
    }

    // MARK: Records

    /// Memory in which a record is put together before it goes to the medium in one piece.
    @unsafe @inline(__always)
    var staging: UnsafeMutableRawPointer { unsafe head.state.pointee.staging }

    /// Gives the entries of the summary to body.
    func withEntries<R>(_ body: (Span<SummaryEntry>) -> R) -> R {
        unsafe head.state.pointee.entries.withSpan(body)
    }

    /// A record was written at the position; the position moves behind it.
    @inline(__always)
    func advance(
        _ hash: KeyHash, _ sequence: SequenceNumber, _ units: Units, _ kind: RecordKind
    ) {
        unsafe head.state.pointee.entries.append(
            SummaryEntry(
                hash: hash, sequence: sequence, offset: position, units: units, kind: kind))
        place.position += units
        assert(fits(units: .zero, entries: 0))
    }

    /// Takes over the records that recovery found in an extent, all durable by now.
    func adopt(_ contents: ExtentContents) {
        assert(contents.leavesRoomForSummary(capacity: capacity))
        for entry in contents.entries { unsafe head.state.pointee.entries.append(entry) }
        place.position = contents.end
        place.durableEnd = contents.end
    }

    // MARK: Durability

    /// A drain has returned that covers everything in the head.
    @inline(__always)
    func noteAllDurable() {
        place.durableEnd = position
        head.showRelaxed(from: nil)
    }

    /// A drain has returned that covers the head up to `end`.
    func noteDurable(upTo end: Units) {
        place.durableEnd = max(durableEnd, end)
        if position == end { head.showRelaxed(from: nil) }
    }

    /// See ``LogHead/firstRelaxed``.
    @inline(__always)
    var firstRelaxed: Units? { head.firstRelaxed }

    /// What is written from here on is relaxed.
    func beginRelaxed() {
        if firstRelaxed == nil { head.showRelaxed(from: position) }
    }
}
