import CPmem

/// The ordered index: the keys of the store in a B+ tree in DRAM, beside the hash index.
///
/// It holds keys only; where a key's record lies is the hash index's knowledge. So an overwrite and
/// a compaction leave it alone, and only the first put of a key and its removal cost something.
///
/// Invariants:
/// - A key enters and leaves under its shard's lock in the hash index: the operations of one key
///   come one after the other. It enters before it is in the hash index, and leaves when it is no
///   longer there: all that a reader of the hash index has found is in the tree.
/// - Readers take no lock. On the way down they check each node's version after they looked at it,
///   and the parent's again after they have the child's (optimistic lock coupling: Leis,
///   Haubenschild, Neumann, "Optimistic Lock Coupling", IEEE Data Eng. Bull. 42(1), 2019).
/// - What stands in a leaf changes under the leaf's lock alone. Which nodes there are, and inner
///   nodes, change under the structure lock, and each of them under its own besides.
/// - Nodes and keys that were taken out are freed two epochs later: whoever found one is inside an
///   epoch of this index.
final class OrderedIndex: @unchecked Sendable {
    private let retired = RetiredMemory()
    /// The structure lock, the root's address, bytes of DRAM taken.
    private let control = SharedLines(1)
    /// Held while nodes come or go.
    var structureLock: SpinLock { SpinLock(control[0]) }
    private var rootWord: AtomicWord { control[1] }
    private var bytesWord: AtomicWord { control[2] }
    /// Set while the index is filled: a record whose key cannot be told, so that no scan is
    /// complete.
    var unknownKey: StoreError?

    init() { root = makeNode(isLeaf: true) }

    deinit { free(root) }

    /// Changed under the structure lock.
    var root: OrderedNode {
        get { OrderedNode(word: rootWord.loadAcquire()) }
        set { rootWord.storeRelease(newValue.word) }
    }

    // MARK: Memory

    /// Bytes of DRAM that nodes and keys take.
    var memoryBytes: Int { Int(truncatingIfNeeded: bytesWord.loadRelaxed()) }

    @inline(__always)
    private func account(_ bytes: Int) {
        bytesWord.addRelaxed(UInt64(truncatingIfNeeded: bytes))
    }

    func makeNode(isLeaf: Bool) -> OrderedNode {
        account(isLeaf ? OrderedNode.leafBytes : OrderedNode.innerBytes)
        return OrderedNode(isLeaf: isLeaf)
    }

    func makeKey(_ bytes: ByteView) -> OrderedKey {
        let key = OrderedKey(copying: bytes)
        account(key.memoryBytes)
        return key
    }

    func retire(_ key: OrderedKey) {
        account(-key.memoryBytes)
        unsafe retired.add(key.memory)
    }

    func retire(_ node: OrderedNode) {
        account(-(node.isLeaf ? OrderedNode.leafBytes : OrderedNode.innerBytes))
        unsafe retired.add(node.memory)
    }

    private func free(_ node: OrderedNode) {
        for slot in 0..<node.count { unsafe node.key(slot).memory.deallocate() }
        if !node.isLeaf {
            for number in 0...node.count { free(node.child(number)) }
        }
        unsafe node.memory.deallocate()
    }

    // MARK: Finding a leaf

    /// Where a search begins: at the first key at or above `key` upwards, or at the last one below
    /// it downwards. Without a key at the respective end.
    struct Bound {
        let key: ByteView?
        let ascending: Bool
    }

    /// A leaf, as it was in a version, and the key at which the next one in the search's direction
    /// begins, which an inner node knew.
    struct Place {
        let leaf: OrderedNode
        let version: UInt64
        var next: OrderedKey?
        var nextOwner: (node: OrderedNode, version: UInt64)?

        /// Whether the leaf has the contents and, towards the next one, the range it had.
        func isStill() -> Bool {
            leaf.isStill(version) && (nextOwner.map { $0.node.isStill($0.version) } ?? true)
        }
    }

    /// Calls body inside an epoch: what it finds stays until it returns.
    @inline(__always)
    func reading<R>(_ body: () -> R) -> R { retired.epochs.reading(body) }

    /// The leaf where a search begins. Inside `reading`. O(log n), no lock.
    func place(_ bound: Bound) -> Place {
        while true {
            if let place = tryPlace(bound) { return place }
            cpmem_pause()
        }
    }

    private func tryPlace(_ bound: Bound) -> Place? {
        var node = root
        var version = node.settledVersion()
        guard root == node else { return nil }
        var next: OrderedKey?
        var owner: (node: OrderedNode, version: UInt64)?
        while true {
            let header = node.header
            if header.isLeaf {
                return Place(leaf: node, version: version, next: next, nextOwner: owner)
            }
            guard let number = childNumber(bound, node, header, version) else { return nil }
            let word = node.childWord(number)
            if bound.ascending ? number < header.count : number > 0 {
                next = node.key(bound.ascending ? number : number - 1)
                owner = (node, version)
            }
            guard node.isStill(version) else { return nil }
            let child = OrderedNode(word: word)
            let childVersion = child.settledVersion()
            guard node.isStill(version) else { return nil }
            node = child
            version = childVersion
        }
    }

    @inline(__always)
    private func childNumber(
        _ bound: Bound, _ node: OrderedNode, _ header: OrderedNode.Header, _ version: UInt64
    ) -> Int? {
        guard let key = bound.key else { return bound.ascending ? 0 : header.count }
        return node.position(of: key, pastEqual: bound.ascending, header, version)
    }

    // MARK: Changing

    /// Adds a key that is not there. Its shard is locked. O(log n).
    func insert(_ key: ByteView) {
        let copy = makeKey(key)
        reading {
            while true {
                let leaf = lockLeaf(of: key)
                if leaf.isFull {
                    leaf.unlockUnchanged()
                    makeRoom(for: key)
                    continue
                }
                leaf.insert(copy, at: leaf.ownPosition(of: key, pastEqual: false))
                return leaf.unlock()
            }
        }
    }

    /// Takes a key out that is there. Its shard is locked. O(log n).
    func remove(_ key: ByteView) {
        reading {
            let leaf = lockLeaf(of: key)
            let slot = leaf.ownPosition(of: key, pastEqual: false)
            guard leaf.holds(key, at: slot) else { return leaf.unlockUnchanged() }
            let old = leaf.remove(at: slot)
            let isEmpty = leaf.count == 0
            leaf.unlock()
            retire(old)
            if isEmpty { unlinkEmptyLeaf(of: key) }
        }
    }

    private func lockLeaf(of key: ByteView) -> OrderedNode {
        while true {
            let place = place(Bound(key: key, ascending: true))
            if place.leaf.tryLock(place.version) { return place.leaf }
            cpmem_pause()
        }
    }
}
