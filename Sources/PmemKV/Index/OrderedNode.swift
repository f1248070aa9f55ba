import CPmem

/// A node of the ordered index in raw memory, leaf or inner.
///
///     0    version: bit 0 locked, bit 1 dead; every change adds 4
///     8    count in bits 0 to 15, shared bytes in bits 16 to 31, the kind above
///     16   bytes that all keys of the node begin with, at most 48
///     64   for each slot the eight bytes behind the shared ones, as a number that orders alike;
///          all ones where no slot is in use
///     576  for each slot of a leaf the location of a record of its key; for each of an inner node
///          the OrderedKey of a separator
///     1088 inner nodes: the children, one more than slots; the keys of child i are at or above
///          slot i - 1 and below slot i
///
/// A handle: the ``OrderedIndex`` keeps the memory of the nodes that are in it, and of dead ones
/// until no reader can hold them.
///
/// Invariants:
/// - Slots are ascending and distinct. The count and the number of shared bytes are one word.
/// - Of two slots with the same eight bytes only the keys tell the order: those of a leaf stand in
///   the records. Two slots whose eight bytes differ order as these do, also where a key ends in
///   them and zeroes fill the rest.
/// - A node changes only while its version is locked, and its version moves with every change. A
///   reader trusts what it loaded only when the version is what it was before, and follows no
///   address before that.
/// - All keys of a node begin with its shared bytes; an insertion that does not lowers them first.
@safe
struct OrderedNode: Equatable {
    /// One less than the rows have room for. So a leaf takes 17 lines, with the eight bytes of the
    /// last that the C library's allocator keeps in front of what comes next.
    static let capacity = 63
    private static let rowLength = 64
    static let leafBytes = Row.entries.rawValue + capacity * 8
    static let innerBytes = Row.children.rawValue + (capacity + 1) * 8
    static let sharedCapacity = Int(cpmem_shared_bytes)

    private let base: UnsafeMutableRawPointer

    static func == (left: OrderedNode, right: OrderedNode) -> Bool {
        unsafe left.base == right.base
    }

    /// From a word that holds a node's address.
    @inline(__always)
    init(word: UInt64) {
        unsafe base = UnsafeMutableRawPointer(bitPattern: UInt(word)).unsafelyUnwrapped
    }

    @inline(__always)
    var word: UInt64 { unsafe UInt64(UInt(bitPattern: memory)) }

    /// What a node was allocated as.
    @unsafe @inline(__always)
    var memory: UnsafeMutableRawPointer { unsafe base }

    /// A node that nobody else can reach yet.
    init(_ kind: Kind) {
        let bytes = kind == .leaf ? Self.leafBytes : Self.innerBytes
        unsafe base = .allocate(byteCount: bytes, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        clearPrefixes(0..<Self.rowLength)
        header = Header(kind, count: 0, shared: 0)
    }

    /// The arrays of words, by the byte at which they begin.
    enum Row: Int {
        case version = 0
        case header = 8
        case shared = 16
        case prefixes = 64
        case entries = 576
        case children = 1088
    }

    @unsafe @inline(__always)
    func address(_ row: Row, _ number: Int = 0) -> UnsafeMutableRawPointer {
        unsafe base + (row.rawValue &+ number &* 8)
    }

    @inline(__always)
    func word(_ row: Row, _ number: Int = 0) -> AtomicWord {
        unsafe AtomicWord(address(row, number))
    }

    /// Starts to load what a search looks at.
    @inline(__always)
    func prefetch() { prefetch(0..<(Row.entries.rawValue / 64)) }

    /// Starts to load the entries.
    @inline(__always)
    func prefetchEntries() {
        prefetch((Row.entries.rawValue / 64)..<(Row.children.rawValue / 64))
    }

    @inline(__always)
    private func prefetch(_ lines: Range<Int>) {
        for line in lines { unsafe cpmem_prefetch(base + line &* 64) }
    }

    // MARK: Version

    @inline(__always)
    var version: UInt64 { word(.version).loadAcquire() }

    /// The version once nobody is changing the node.
    @inline(__always)
    func settledVersion() -> UInt64 {
        var round = 0
        while true {
            let version = version
            if version & 1 == 0 { return version }
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// Whether what was loaded since the version was read belongs together.
    @inline(__always)
    func isStill(_ version: UInt64) -> Bool {
        SchedulingPoint.pass()
        cpmem_fence_acquire()
        return word(.version).loadRelaxed() == version
    }

    /// Locks a node that is still alive and as it was seen.
    @inline(__always)
    func tryLock(_ seen: UInt64) -> Bool {
        SchedulingPoint.pass()
        guard seen & 3 == 0, word(.version).compareExchange(seen, seen | 1) else { return false }
        cpmem_fence_release()
        return true
    }

    /// Locks a node that cannot die meanwhile.
    func lock() { while !tryLock(settledVersion()) {} }

    /// Unlocks after a change, and returns the new version.
    @inline(__always) @discardableResult
    func unlock() -> UInt64 {
        SchedulingPoint.pass()
        let version = unlockedVersion &+ 4
        word(.version).storeRelease(version)
        return version
    }

    /// Unlocks a node in which nothing changed.
    @inline(__always)
    func unlockUnchanged() { word(.version).storeRelease(unlockedVersion) }

    /// Unlocks for good: whoever still comes here starts again.
    func unlockDead() { word(.version).storeRelease((unlockedVersion &+ 4) | 2) }

    @inline(__always)
    private var unlockedVersion: UInt64 { word(.version).loadRelaxed() & ~1 }

    // MARK: Contents

    /// A leaf, an inner node above leaves, one above inner nodes.
    enum Kind: UInt64 {
        case leaf, lowest, upper
    }

    struct Header {
        let rawValue: UInt64

        @inline(__always)
        init(rawValue: UInt64) { self.rawValue = rawValue }

        @inline(__always)
        init(_ kind: Kind, count: Int, shared: Int) {
            rawValue = UInt64(count) | UInt64(shared) << 16 | kind.rawValue << 32
        }

        /// Of the same kind.
        @inline(__always)
        func with(count: Int, shared: Int) -> Header {
            Header(rawValue: (rawValue >> 32) << 32 | UInt64(count) | UInt64(shared) << 16)
        }

        @inline(__always)
        var count: Int { Int(truncatingIfNeeded: rawValue & 0xFFFF) }
        @inline(__always)
        var shared: Int { Int(truncatingIfNeeded: rawValue >> 16 & 0xFFFF) }
        @inline(__always)
        var isLeaf: Bool { rawValue >> 32 == Kind.leaf.rawValue }
        /// Whether the children are leaves.
        @inline(__always)
        var isLowest: Bool { rawValue >> 32 == Kind.lowest.rawValue }
    }

    @inline(__always)
    var header: Header {
        get { Header(rawValue: word(.header).loadRelaxed()) }
        nonmutating set { word(.header).storeRelaxed(newValue.rawValue) }
    }

    @inline(__always)
    var count: Int { header.count }
    @inline(__always)
    var isLeaf: Bool { header.isLeaf }
    var isFull: Bool { count == Self.capacity }

    @inline(__always)
    func prefix(_ slot: Int) -> UInt64 { word(.prefixes, slot).loadRelaxed() }

    /// Of an inner node.
    @inline(__always)
    func key(_ slot: Int) -> OrderedKey {
        OrderedKey(rawValue: word(.entries, slot).loadRelaxed())
    }

    /// Of a leaf.
    @inline(__always)
    func location(_ slot: Int) -> Location {
        Location(units: word(.entries, slot).loadRelaxed())
    }

    @inline(__always)
    func childWord(_ number: Int) -> UInt64 { word(.children, number).loadRelaxed() }

    func child(_ number: Int) -> OrderedNode { OrderedNode(word: childWord(number)) }

    /// How a key orders against the bytes that all keys here share, as far as it goes.
    @inline(__always)
    func orderAgainstShared(_ key: ByteView, _ shared: Int) -> Int32 {
        unsafe cpmem_compare_shared(
            key.baseAddress, base + Row.shared.rawValue, min(shared, key.count))
    }

    /// How many of the shared bytes a key begins with. Node locked.
    func commonPrefix(with key: ByteView, _ shared: Int) -> Int {
        unsafe cpmem_common_prefix(
            key.baseAddress, key.count, base + Row.shared.rawValue, shared)
    }

    /// Gives a copy of the shared bytes to body.
    func withSharedBytes<R>(_ shared: Int, _ body: (ByteView) -> R) -> R {
        unsafe withUnsafeTemporaryAllocation(byteCount: Self.sharedCapacity, alignment: 8) { copy in
            unsafe cpmem_move_words(
                copy.baseAddress.unsafelyUnwrapped, address(.shared), Self.sharedCapacity / 8)
            return body(unsafe ByteView(base: copy.baseAddress, count: shared))
        }
    }

    func storeShared(_ bytes: ByteView) {
        unsafe cpmem_store_shared(base + Row.shared.rawValue, bytes.baseAddress, bytes.count)
    }
}
