import CPmem

/// The ordered index: a B+ tree in DRAM, beside the hash index, whose leaves name the records of
/// all keys in their order. It keeps no copy of a key: where eight bytes behind what the keys of a
/// leaf share do not decide, the key is read from its record.
///
/// An overwrite does not come here: the slot goes on naming the record that it named, and only
/// loses the bit that lets a scan use it without asking the hash index (``TrustBits``). A scan that
/// finds the bit clear asks, and mends the slot.
///
/// Invariants:
/// - A slot names a record of its key, if not always the newest: what a slot names stays readable.
///   So an extent is retired only when no slot names anything in it: compaction moves the slots of
///   the records that it moves, and those of records that were superseded (``Space``). Whoever
///   loads a slot is inside an epoch of the records, and the slot named the record in it.
/// - A slot changes under the shard's lock of its key, and begins to name a record only while the
///   hash index does, or while a snapshot keeps it. A superseded record never becomes the newest
///   again, so that no slot begins to name one that is not kept.
/// - A key enters the tree before it is in the hash index, and leaves when it is no longer there:
///   all that a reader of the hash index has found is in the tree. A bit is set only when the hash
///   index names the record, and taken back before that names another.
/// - While a batch is being published no bit counts, so that what a scan shows behind the first of
///   its changes is not older than them.
/// - Readers take no lock. On the way down they check each node's version after they looked at it,
///   and the parent's again after they have the child's (optimistic lock coupling: Leis,
///   Haubenschild, Neumann, "Optimistic Lock Coupling", IEEE Data Eng. Bull. 42(1), 2019).
/// - What stands in a leaf changes under the leaf's lock alone. Which nodes there are, and inner
///   nodes, change under the structure lock, and each of them under its own besides.
/// - Nodes and separators that were taken out are freed two epochs later.
final class OrderedIndex: @unchecked Sendable {
    let records: RecordIndex
    /// The table whose keys these are.
    let table: TableNumber
    let trusted: TrustBits
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

    init(_ records: RecordIndex, of table: TableNumber, _ trusted: TrustBits) {
        self.records = records
        self.table = table
        self.trusted = trusted
        root = makeNode(.leaf)
    }

    deinit { free(root) }

    /// Changed under the structure lock.
    var root: OrderedNode {
        get { OrderedNode(word: rootWord.loadAcquire()) }
        set { rootWord.storeRelease(newValue.word) }
    }

    // MARK: Memory

    /// Bytes of DRAM that nodes and separators take.
    var memoryBytes: Int { Int(truncatingIfNeeded: bytesWord.loadRelaxed()) }

    /// A key with the table.
    @inline(__always)
    func tableKey(_ key: ByteView) -> TableKey { TableKey(key, in: TableRef(table)) }

    @inline(__always)
    private func account(_ bytes: Int) {
        bytesWord.addRelaxed(UInt64(truncatingIfNeeded: bytes))
    }

    func makeNode(_ kind: OrderedNode.Kind) -> OrderedNode {
        account(kind == .leaf ? OrderedNode.leafBytes : OrderedNode.innerBytes)
        return OrderedNode(kind)
    }

    func makeKey(_ bytes: ByteView) -> OrderedKey {
        let key = OrderedKey(copying: bytes)
        account(key.memoryBytes)
        return key
    }

    func retire(_ key: OrderedKey) {
        account(-key.memoryBytes)
        unsafe retired.add(key.memory, records.epochs)
    }

    func retire(_ node: OrderedNode) {
        account(-(node.isLeaf ? OrderedNode.leafBytes : OrderedNode.innerBytes))
        unsafe retired.add(node.memory, records.epochs)
    }

    private func free(_ node: OrderedNode) {
        if !node.isLeaf {
            for slot in 0..<node.count { unsafe node.key(slot).memory.deallocate() }
            for number in 0...node.count { free(node.child(number)) }
        }
        unsafe node.memory.deallocate()
    }

    /// Calls body inside an epoch: what it finds stays until it returns.
    @inline(__always)
    func reading<R>(_ body: () -> R) -> R { records.epochs.reading(body) }

    // MARK: Trust

    /// The hash index names the record there from now on. Shard locked.
    @inline(__always)
    func trust(_ location: Location) { trusted.insert(location) }

    /// Whether the hash index names the record there. Inside an epoch in which a slot named it.
    @inline(__always)
    func isTrusted(_ location: Location) -> Bool {
        trusted.areValid && trusted.contains(location)
    }

    // MARK: Changing

    /// The leaf of a key, looked for before its record is written: it comes from memory while the
    /// record goes to the medium. To be given back by ``leave(_:)``.
    struct Seat {
        fileprivate let hint: Hint
        fileprivate let visit: Epochs.Visit
    }

    /// Looks for the leaf of a key that is about to be added or removed. O(log n), no lock.
    func seat(of key: ByteView) -> Seat {
        let visit = records.epochs.enter()
        return Seat(hint: hint(of: key), visit: visit)
    }

    @inline(__always)
    func leave(_ seat: Seat) { records.epochs.leave(seat.visit) }

    /// Adds a key that is not there, with its record. Its shard is locked. O(log n).
    ///
    /// - Parameter mayHaveSlot: the slot may be there all the same, since snapshots keep records of
    ///   removed keys.
    func insert(
        _ key: ByteView, at location: Location, _ seat: Seat? = nil, mayHaveSlot: Bool = false
    ) {
        withLockedLeaf(of: key, seat) { leaf in
            var leaf = leaf
            if mayHaveSlot, let slot = ownSlot(of: key, at: location, in: leaf) {
                leaf.setLocation(location, at: slot)
                leaf.unlock()
                return
            }
            while leaf.isFull {
                leaf.unlockUnchanged()
                makeRoom(for: key)
                leaf = lockLeaf(of: key)
            }
            leaf.insert(key, location, at: ownPosition(of: key, in: leaf))
            leaf.unlock()
        }
    }

    /// Takes a key out whose record stood there last. Its shard is locked. O(log n).
    func remove(_ key: ByteView, at location: Location, _ seat: Seat? = nil) {
        withLockedLeaf(of: key, seat) { leaf in
            guard let slot = ownSlot(of: key, at: location, in: leaf) else {
                return leaf.unlockUnchanged()
            }
            leaf.remove(at: slot)
            let isEmpty = leaf.count == 0
            leaf.unlock()
            if isEmpty { unlinkEmptyLeaf(of: key) }
        }
    }

    /// Lets the slot of a key that names one record name another, to which the hash index points,
    /// and be trusted. Its shard is locked. False when the slot names something else. O(log n).
    @discardableResult
    func move(_ key: ByteView, from old: Location, to new: Location) -> Bool {
        let isMoved = move(key, from: old, toKept: new)
        if isMoved { trust(new) }
        return isMoved
    }

    /// The same for a record that the hash index does not name, but a snapshot keeps.
    @discardableResult
    func move(_ key: ByteView, from old: Location, toKept new: Location) -> Bool {
        reading {
            let leaf = lockLeaf(of: key)
            guard let slot = leaf.slot(naming: old, in: leaf.ties(of: key, leaf.header)) else {
                leaf.unlockUnchanged()
                return false
            }
            leaf.setLocation(new, at: slot)
            leaf.unlock()
            return true
        }
    }

    /// Whether the slot of a key names a record. O(log n), no lock.
    func names(_ location: Location, of key: ByteView) -> Bool {
        reading {
            while true {
                let place = place(Bound(key: key, ascending: true))
                let ties = place.leaf.ties(of: key, place.leaf.header)
                let slot = place.leaf.slot(naming: location, in: ties)
                if place.leaf.isStill(place.version) { return slot != nil }
            }
        }
    }

    /// Gives body the locked leaf of a key, which it unlocks: the one that was found before, unless
    /// it has changed since. Inside an epoch.
    @inline(__always)
    private func withLockedLeaf(
        of key: ByteView, _ seat: Seat?, _ body: (OrderedNode) -> Void
    ) {
        guard let seat else { return reading { body(lockLeaf(of: key)) } }
        body(seat.hint.tryLock() ? seat.hint.leaf : lockLeaf(of: key))
    }

    private func lockLeaf(of key: ByteView) -> OrderedNode {
        while true {
            let place = place(Bound(key: key, ascending: true))
            if place.leaf.tryLock(place.version) { return place.leaf }
            cpmem_pause()
        }
    }
}
