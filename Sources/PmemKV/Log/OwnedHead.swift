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
    deinit { head.giveBack() }

    /// Gives the head back.
    @inline(__always)
    consuming func release() {}

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

    /// What is left of the extent.
    @inline(__always)
    var room: ExtentRoom {
        ExtentRoom(
            capacity: capacity, position: position,
            entries: unsafe head.state.pointee.entries.count)
    }

    /// Whether records of this many units, and the summary with them in it, still fit.
    @inline(__always)
    func fits(units: Units, entries: Int) -> Bool { room.fits(units: units, entries: entries) }

    /// Whether records of these sizes fit, all of them.
    func fits(_ sizes: [Units]) -> Bool {
        fits(units: sizes.reduce(.zero, +), entries: sizes.count)
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

    /// What a write has that goes beyond the open extent.
    @inline(__always)
    var spanning: SpanningState {
        get { unsafe head.state.pointee.spanning }
        nonmutating _modify { yield unsafe &head.state.pointee.spanning }
    }

    /// Whether the write that is under way goes beyond the open extent.
    @inline(__always)
    var isSpanning: Bool { unsafe head.state.pointee.spanning.isUnderWay }

    /// Memory in which a record is put together before it goes to the medium in one piece.
    @unsafe @inline(__always)
    var staging: UnsafeMutableRawPointer { unsafe head.state.pointee.staging }

    /// Gives the entries of the summary to body.
    func withEntries<R>(_ body: (Span<SummaryEntry>) -> R) -> R {
        unsafe head.state.pointee.entries.withSpan(body)
    }

    /// A record was written at the position; the position moves behind it.
    @inline(__always)
    func advance(_ entry: SummaryEntry) {
        unsafe head.state.pointee.entries.append(entry)
        place.position += entry.units
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
