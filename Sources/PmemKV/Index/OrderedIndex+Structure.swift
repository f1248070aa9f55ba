/// Nodes that come and go.
///
/// Invariants:
/// - One thread at a time, by the structure lock; inside it inner nodes are read without looking at
///   versions. Leaves are still changed by others: they are locked before they are looked at.
/// - A node and its parent stay locked until both agree again, so that no reader or writer sees a
///   key between them.
/// - Full nodes are split on the way down, so that a parent always has room for one child more.
/// - A leaf that has lost its last key is unlinked, and so is an inner node with its last child,
///   unless no other leaf is left. Other nodes are not merged.
extension OrderedIndex {
    /// Splits the full nodes on the way to a key's leaf. Inside `reading`.
    func makeRoom(for key: ByteView) {
        structureLock.lock()
        defer { structureLock.unlock() }
        while true {
            var parent: OrderedNode?
            var node = root
            var isLast = true
            while !node.isLeaf, !node.isFull {
                let number = node.ownChildNumber(of: key, pastEqual: true)
                isLast = isLast && number == node.count
                parent = node
                node = node.child(number)
            }
            let isLeaf = node.isLeaf
            if isLeaf, isWasteful(node) { prefetchRecords(of: node) }
            node.lock()
            if node.isFull {
                split(node, parent, for: key, appending: isLeaf && isLast)
            } else {
                node.unlockUnchanged()
            }
            if isLeaf { return }
        }
    }

    /// Splits a locked, full node and unlocks it. Where keys only ever come at the end, the left
    /// half stays full.
    private func split(
        _ node: OrderedNode, _ parent: OrderedNode?, for key: ByteView, appending: Bool
    ) {
        parent?.lock()
        let (separator, right) =
            node.isLeaf ? halve(leaf: node, for: key, appending) : halve(inner: node)
        if let parent {
            parent.insert(
                separator, at: parent.ownChildNumber(of: separator.bytes, pastEqual: true),
                child: right)
            parent.unlock()
        } else {
            let top = makeNode(node.isLeaf ? .lowest : .upper)
            top.fill([separator], children: [node, right])
            root = top
        }
        node.unlock()
    }

    private func halve(
        leaf: OrderedNode, for key: ByteView, _ appending: Bool
    ) -> (separator: OrderedKey, right: OrderedNode) {
        let capacity = OrderedNode.capacity
        var middle = appending ? capacity - 1 : capacity / 2
        let separator: OrderedKey
        if let between = makeSeparator(leaf, before: middle) {
            separator = between
        } else {
            // Damaged records do not tell their keys: the leaf is cut beside the new one.
            middle = ownPosition(of: key, in: leaf)
            separator = makeKey(behind: key, isIncluded: middle == capacity)
        }
        let right = makeNode(.leaf)
        right.takeSlots(from: middle, of: leaf)
        leaf.truncate(to: middle)
        shareMore(leaf)
        shareMore(right)
        return (separator, right)
    }

    private func halve(inner: OrderedNode) -> (separator: OrderedKey, right: OrderedNode) {
        let middle = OrderedNode.capacity / 2
        let keys = (0..<inner.count).map(inner.key)
        let children = (0...inner.count).map(inner.child)
        let right = makeNode(inner.header.isLowest ? .lowest : .upper)
        right.fill(keys[(middle + 1)...], children: Array(children[(middle + 1)...]))
        inner.fill(keys[..<middle], children: Array(children[...middle]))
        return (keys[middle], right)
    }

    // MARK: Separators

    /// A short key above a leaf's slot before this one and not above this one; nil when the eight
    /// bytes of both are the same and a record cannot tell its key.
    private func makeSeparator(_ leaf: OrderedNode, before slot: Int) -> OrderedKey? {
        let shared = leaf.header.shared
        return leaf.withSharedBytes(shared) { bytes in
            makeSeparator(
                bytes, (leaf.prefix(slot - 1), leaf.location(slot - 1)),
                (leaf.prefix(slot), leaf.location(slot)))
        }
    }

    /// The same for two neighbours whose keys begin with these bytes.
    ///
    /// Where their eight bytes differ, the right one's are the higher ones there, so that it is not
    /// a zero behind a key's end that differs.
    func makeSeparator(
        _ shared: ByteView, _ left: (prefix: UInt64, location: Location),
        _ right: (prefix: UInt64, location: Location)
    ) -> OrderedKey? {
        guard left.prefix == right.prefix else {
            let equal = (left.prefix ^ right.prefix).leadingZeroBitCount / 8
            let bytes = shared.array + Self.bytes(of: right.prefix, count: equal + 1)
            return bytes.withByteView(makeKey)
        }
        let key = withKey(of: left.location) { left in
            withKey(of: right.location) { right in
                makeKey(right.prefix(left.commonPrefix(with: right) + 1))
            }
        }
        return key ?? nil
    }

    /// The first bytes of a prefix, as they stand in a key.
    static func bytes(of prefix: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: prefix >> UInt64(56 - 8 * $0)) }
    }

    /// A key itself, or the next one behind it.
    private func makeKey(behind key: ByteView, isIncluded: Bool) -> OrderedKey {
        isIncluded ? makeKey(key) : (key.array + [0]).withByteView(makeKey)
    }

    // MARK: Shared bytes

    /// Bits that all prefixes of a leaf have in common from which on they are worth renewing: then
    /// half of each tells nothing.
    private static let wastedBits = 32

    /// Whether so many bits tell nothing in a leaf of several slots.
    private func isWasteful(_ leaf: OrderedNode) -> Bool {
        let count = min(leaf.count, OrderedNode.capacity)
        return count > 1 && leaf.header.shared < OrderedNode.sharedCapacity
            && (leaf.prefix(0) ^ leaf.prefix(count - 1)).leadingZeroBitCount >= Self.wastedBits
    }

    private func prefetchRecords(of leaf: OrderedNode) {
        for slot in 0..<min(leaf.count, OrderedNode.capacity) {
            records.log.prefetchRecord(at: leaf.location(slot))
        }
    }

    /// Shares more bytes in a leaf whose prefixes have become alike: their keys are read. Leaf
    /// locked, or not yet reachable.
    func shareMore(_ leaf: OrderedNode) {
        guard isWasteful(leaf) else { return }
        let count = leaf.count
        let common = withKey(of: leaf.location(0)) { first in
            withKey(of: leaf.location(count - 1)) { last in
                first.prefix(min(OrderedNode.sharedCapacity, first.commonPrefix(with: last))).array
            }
        }
        guard let common = common ?? nil else { return }
        var slots: [(prefix: UInt64, location: Location)] = []
        slots.reserveCapacity(count)
        for slot in 0..<count {
            let location = leaf.location(slot)
            let prefix = withKey(of: location) { key in
                // A damaged slot may stand anywhere: then what the ends share says nothing.
                key.commonPrefix(with: common) == common.count
                    ? key.dropFirst(common.count).sortPrefix : nil
            }
            guard let prefix = prefix ?? nil else { return }
            slots.append((prefix, location))
        }
        common.withByteView { leaf.fill(count: count, shared: $0) { slots[$0] } }
    }

    // MARK: Empty leaves

    /// Unlinks the leaf of a key if it is still empty, and the inner nodes that led only to it.
    /// Inside `reading`.
    func unlinkEmptyLeaf(of key: ByteView) {
        structureLock.lock()
        defer { structureLock.unlock() }
        // The lowest node with another child, and what hangs below it towards the leaf.
        var holder: (node: OrderedNode, child: Int)?
        var chain: [OrderedNode] = []
        var node = root
        while !node.isLeaf {
            let number = node.ownChildNumber(of: key, pastEqual: true)
            if node.count > 0 {
                holder = (node, number)
                chain = []
            }
            node = node.child(number)
            chain.append(node)
        }
        guard let holder else { return }
        for node in chain { node.lock() }
        guard node.count == 0 else {
            for node in chain { node.unlockUnchanged() }
            return
        }
        holder.node.lock()
        let separator = holder.node.remove(at: max(0, holder.child - 1), child: holder.child)
        holder.node.unlock()
        retire(separator)
        for node in chain {
            node.unlockDead()
            retire(node)
        }
    }
}
