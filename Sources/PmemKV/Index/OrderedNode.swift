import CPmem

/// A node of the ordered index in raw memory, leaf or inner.
///
///     0    version: bit 0 locked, bit 1 dead; every change adds 4
///     8    count in bits 0 to 15, shared bytes in bits 16 to 31, bit 32 set in a leaf
///     16   the bytes that all keys of the node begin with, at most 48
///     64   for each slot the eight bytes behind the shared ones, as a number that orders alike
///     576  for each slot its OrderedKey
///     1088 inner nodes: the children, one more than slots; the keys of child i are at or above
///          slot i - 1 and below slot i
///
/// Invariants:
/// - Slots are ascending and distinct. The count and the number of shared bytes are one word.
/// - A node changes only while its version is locked, and its version moves with every change. A
///   reader trusts what it loaded only when the version is what it was before, and follows no
///   address before that.
/// - All keys of a node begin with its shared bytes; an insertion that does not lowers them first.
struct OrderedNode: Equatable {
    static let capacity = 64
    static let leafBytes = childrenOffset
    static let innerBytes = childrenOffset + (capacity + 1) * 8
    private static let sharedOffset = 16
    private static let prefixesOffset = 64
    private static let keysOffset = prefixesOffset + capacity * 8
    private static let childrenOffset = keysOffset + capacity * 8

    let base: UnsafeMutableRawPointer

    @inline(__always)
    init(base: UnsafeMutableRawPointer) { self.base = base }

    /// From a word that holds a node's address.
    @inline(__always)
    init(word: UInt64) {
        base = UnsafeMutableRawPointer(bitPattern: UInt(word)).unsafelyUnwrapped
    }

    @inline(__always)
    var word: UInt64 { UInt64(UInt(bitPattern: base)) }

    static func allocate(isLeaf: Bool) -> OrderedNode {
        let bytes = isLeaf ? leafBytes : innerBytes
        let node = OrderedNode(base: .allocate(byteCount: bytes, alignment: 64))
        node.base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        node.header = Header(count: 0, shared: 0, isLeaf: isLeaf)
        return node
    }

    // MARK: Version

    @inline(__always)
    var version: UInt64 { cpmem_load_acquire(base) }

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
        cpmem_fence_acquire()
        return cpmem_load_relaxed(base) == version
    }

    /// Locks a node that is still alive and as it was seen.
    @inline(__always)
    func tryLock(_ seen: UInt64) -> Bool {
        guard seen & 3 == 0, cpmem_compare_exchange(base, seen, seen | 1) else { return false }
        cpmem_fence_release()
        return true
    }

    /// Locks a node that cannot die meanwhile.
    func lock() { while !tryLock(settledVersion()) {} }

    /// Unlocks after a change.
    @inline(__always)
    func unlock() { cpmem_store_release(base, (cpmem_load_relaxed(base) & ~1) &+ 4) }

    /// Unlocks a node in which nothing changed.
    @inline(__always)
    func unlockUnchanged() { cpmem_store_release(base, cpmem_load_relaxed(base) & ~1) }

    /// Unlocks for good: whoever still comes here starts again.
    func unlockDead() { cpmem_store_release(base, ((cpmem_load_relaxed(base) & ~1) &+ 4) | 2) }

    // MARK: Contents

    struct Header {
        let rawValue: UInt64

        @inline(__always)
        init(rawValue: UInt64) { self.rawValue = rawValue }

        @inline(__always)
        init(count: Int, shared: Int, isLeaf: Bool) {
            rawValue = UInt64(count) | UInt64(shared) << 16 | (isLeaf ? 1 << 32 : 0)
        }

        @inline(__always)
        var count: Int { Int(truncatingIfNeeded: rawValue & 0xFFFF) }
        @inline(__always)
        var shared: Int { Int(truncatingIfNeeded: rawValue >> 16 & 0xFFFF) }
        @inline(__always)
        var isLeaf: Bool { rawValue >> 32 != 0 }
    }

    @inline(__always)
    var header: Header {
        get { Header(rawValue: cpmem_load_relaxed(base + 8)) }
        nonmutating set { cpmem_store_relaxed(base + 8, newValue.rawValue) }
    }

    @inline(__always)
    var count: Int { header.count }
    @inline(__always)
    var isLeaf: Bool { header.isLeaf }
    var isFull: Bool { count == Self.capacity }

    @inline(__always)
    func prefix(_ slot: Int) -> UInt64 {
        cpmem_load_relaxed(base + (Self.prefixesOffset &+ slot &* 8))
    }

    @inline(__always)
    func key(_ slot: Int) -> OrderedKey {
        OrderedKey(rawValue: cpmem_load_relaxed(base + (Self.keysOffset &+ slot &* 8)))
    }

    @inline(__always)
    func childWord(_ number: Int) -> UInt64 {
        cpmem_load_relaxed(base + (Self.childrenOffset &+ number &* 8))
    }

    func child(_ number: Int) -> OrderedNode { OrderedNode(word: childWord(number)) }

    /// Number of slots below the key, or not above it with `pastEqual`. Nil when the node is no
    /// longer what it was in that version.
    ///
    /// - Complexity: O(log 64) comparisons of words; the keys themselves are looked at only where
    ///   both go on behind eight equal bytes.
    @inline(__always)
    func position(
        of key: UnsafeRawBufferPointer, pastEqual: Bool, _ header: Header, _ version: UInt64
    ) -> Int? {
        let shared = header.shared
        if shared > 0 {
            let order = cpmem_compare_shared(
                key.baseAddress, base + Self.sharedOffset, min(shared, key.count))
            if order != 0 { return order < 0 ? 0 : header.count }
            if key.count < shared { return 0 }
        }
        let tail = UnsafeRawBufferPointer(rebasing: key[shared...])
        let prefix = cpmem_sort_prefix(tail.baseAddress, tail.count)
        var low = 0
        var high = header.count
        while low < high {
            let middle = (low &+ high) / 2
            let other = self.prefix(middle)
            var isBelow = other < prefix
            if other == prefix {
                let candidate = self.key(middle)
                let order: Int
                if candidate.count &- shared <= 8 && tail.count <= 8 {
                    // Equal but for zeroes at the end: the longer one has them.
                    order = candidate.count &- shared &- tail.count
                } else {
                    guard isStill(version) else { return nil }
                    order = candidate.compare(from: shared, tail)
                }
                isBelow = pastEqual ? order <= 0 : order < 0
            }
            if isBelow { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// The same in a node that nobody else may change: a locked one, or, under the structure lock,
    /// any inner one.
    func ownPosition(of key: UnsafeRawBufferPointer, pastEqual: Bool) -> Int {
        let version = cpmem_load_relaxed(base)
        guard let slot = position(of: key, pastEqual: pastEqual, header, version) else {
            preconditionFailure("a node changed under its owner's lock")
        }
        return slot
    }

    /// Whether a slot holds exactly this key. Node locked.
    func holds(_ key: UnsafeRawBufferPointer, at slot: Int) -> Bool {
        slot < count && self.key(slot).compare(from: 0, key) == 0
    }

    // MARK: Changes; the node is locked or not yet reachable

    private func store(_ key: OrderedKey, at slot: Int, shared: Int) {
        let tail = UnsafeRawBufferPointer(rebasing: key.bytes[shared...])
        cpmem_store_relaxed(
            base + (Self.prefixesOffset + slot * 8), cpmem_sort_prefix(tail.baseAddress, tail.count)
        )
        cpmem_store_relaxed(base + (Self.keysOffset + slot * 8), key.rawValue)
    }

    private func storeChild(_ child: OrderedNode, at number: Int) {
        cpmem_store_relaxed(base + (Self.childrenOffset + number * 8), child.word)
    }

    /// Moves the words from `start` to the end of one of the arrays by one place.
    private func shift(_ array: Int, from start: Int, to end: Int, by step: Int) {
        let words = base + array
        if step > 0 {
            for slot in stride(from: end - 1, through: start, by: -1) {
                cpmem_store_relaxed(words + (slot + 1) * 8, cpmem_load_relaxed(words + slot * 8))
            }
        } else {
            for slot in start..<end {
                cpmem_store_relaxed(words + (slot - 1) * 8, cpmem_load_relaxed(words + slot * 8))
            }
        }
    }

    /// Puts a key in its place, and in an inner node the child that begins with it.
    func insert(_ key: OrderedKey, at slot: Int, child: OrderedNode? = nil) {
        let before = header
        var shared = before.count == 0 ? 0 : before.shared
        let match = cpmem_common_prefix(
            key.address, key.count, base + Self.sharedOffset, shared)
        if match < shared {
            shared = match
            share(shared)
        }
        shift(Self.prefixesOffset, from: slot, to: before.count, by: 1)
        shift(Self.keysOffset, from: slot, to: before.count, by: 1)
        store(key, at: slot, shared: shared)
        if let child {
            shift(Self.childrenOffset, from: slot + 1, to: before.count + 1, by: 1)
            storeChild(child, at: slot + 1)
        }
        header = Header(count: before.count + 1, shared: shared, isLeaf: before.isLeaf)
    }

    /// Takes a slot out. An inner node loses one of the two children beside it, too.
    func remove(at slot: Int, child: Int? = nil) -> OrderedKey {
        let before = header
        let key = key(slot)
        shift(Self.prefixesOffset, from: slot + 1, to: before.count, by: -1)
        shift(Self.keysOffset, from: slot + 1, to: before.count, by: -1)
        if let child {
            shift(Self.childrenOffset, from: child + 1, to: before.count + 1, by: -1)
        }
        header = Header(count: before.count - 1, shared: before.shared, isLeaf: before.isLeaf)
        return key
    }

    /// Makes the node hold these keys, ascending, and children, one more than keys.
    func fill(_ keys: some RandomAccessCollection<OrderedKey>, children: [OrderedNode] = []) {
        for (slot, key) in keys.enumerated() {
            cpmem_store_relaxed(base + (Self.keysOffset + slot * 8), key.rawValue)
        }
        for (number, child) in children.enumerated() { storeChild(child, at: number) }
        header = Header(count: keys.count, shared: 0, isLeaf: isLeaf)
        shareMost()
    }

    /// Keeps the first slots; in an inner node the children of these.
    func truncate(to count: Int) {
        header = Header(count: count, shared: header.shared, isLeaf: isLeaf)
        shareMost()
    }

    /// Shares as many bytes as the first and the last key, and so all between them, have in common.
    private func shareMost() {
        let count = count
        guard count > 0 else { return }
        let (first, last) = (key(0), key(count - 1))
        share(
            min(
                Int(CPMEM_SHARED_BYTES),
                cpmem_common_prefix(first.address, first.count, last.address, last.count)))
    }

    private func share(_ shared: Int) {
        let count = count
        cpmem_store_shared(base + Self.sharedOffset, key(0).address, shared)
        for slot in 0..<count { store(key(slot), at: slot, shared: shared) }
        header = Header(count: count, shared: shared, isLeaf: isLeaf)
    }
}
