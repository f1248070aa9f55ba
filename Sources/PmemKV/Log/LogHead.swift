/// Where writers append: an open extent, the position in it, and what its summary will say.
///
/// A handle that anybody may hold; what is behind it belongs to its owner, an ``OwnedHead``. In
/// memory a line of words that others look at, then ``HeadState``.
@safe
struct LogHead: Equatable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer

    static func allocate() -> LogHead {
        let bytes = Geometry.line + MemoryLayout<HeadState>.stride
        let base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Geometry.line)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: Geometry.line)
        unsafe (base + Geometry.line).initializeMemory(as: HeadState.self, to: HeadState())
        let head = unsafe LogHead(base: base)
        head.show(nil)
        head.showRelaxed(from: nil)
        return head
    }

    private init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

    static func == (left: LogHead, right: LogHead) -> Bool { unsafe left.base == right.base }

    func deallocate() {
        unsafe state.deinitialize(count: 1)
        unsafe base.deallocate()
    }

    /// What the owner sees alone.
    @unsafe @inline(__always)
    var state: UnsafeMutablePointer<HeadState> {
        unsafe (base + Geometry.line).assumingMemoryBound(to: HeadState.self)
    }

    // MARK: What anybody may look at

    @inline(__always)
    private func word(_ number: Int) -> AtomicWord { unsafe AtomicWord(base).next(number) }
    @inline(__always)
    private var lock: SpinLock { SpinLock(word(0)) }
    @inline(__always)
    private var relaxedWord: AtomicWord { word(1) }
    @inline(__always)
    private var extentWord: AtomicWord { word(2) }

    /// Stands in a word for "there is none".
    private static let none = UInt64.max

    /// The extent the head is in, which may be another one by now.
    @inline(__always)
    var lastSeenExtent: SegmentNumber? {
        let word = extentWord.loadRelaxed()
        return word == Self.none ? nil : SegmentNumber(Int(truncatingIfNeeded: word))
    }

    /// For the owner.
    func show(_ extent: SegmentNumber?) {
        extentWord.storeRelaxed(extent.map { UInt64($0.rawValue) } ?? Self.none)
    }

    /// Where the relaxed records begin that no drain has covered yet; nil when there are none.
    @inline(__always)
    var firstRelaxed: Units? {
        let word = relaxedWord.loadRelaxed()
        return word == Self.none ? nil : Units(Int(truncatingIfNeeded: word))
    }

    /// For the owner.
    @inline(__always)
    func showRelaxed(from place: Units?) {
        relaxedWord.storeRelaxed(place.map { UInt64(truncatingIfNeeded: $0.count) } ?? Self.none)
    }

    // MARK: Owning

    /// Becomes the owner, if there is none.
    @inline(__always)
    func tryOwn() -> OwnedHead? { lock.tryLock() ? OwnedHead(self) : nil }

    /// Becomes the owner; waits for the one there is.
    func own() -> OwnedHead {
        lock.lock()
        return OwnedHead(self)
    }

    /// For ``OwnedHead`` alone, when it ends.
    @inline(__always)
    func giveBack() { lock.unlock() }

    /// Waits for the owner there is.
    func passThrough() { lock.passThrough() }
}

/// What the owner of a head sees alone.
@safe
struct HeadState: ~Copyable {
    var place = HeadPlace()
    var entries = EntryList()
    var spanning = SpanningState()
    /// Memory in which a record is put together before it goes to the medium in one piece.
    let staging = UnsafeMutableRawPointer.allocate(
        byteCount: OwnedHead.stagingBytes, alignment: Geometry.line)

    deinit { unsafe staging.deallocate() }
}

/// An open extent, and how far it is filled.
struct HeadPlace {
    var start = Location(units: 0)
    var position = Units.zero
    /// Zero when there is no extent.
    var capacity = Units.zero
    var durableEnd = Units.zero
    var salt: UInt64 = 0
    /// Opened with space that is kept for tombstones: puts may not use it up.
    var isForTombstones = false
}
