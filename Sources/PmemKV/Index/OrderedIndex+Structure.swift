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
    /// Splits the full nodes on the way to a key's leaf.
    func makeRoom(for key: ByteView) {
        structureLock.lock()
        defer { structureLock.unlock() }
        while true {
            var parent: OrderedNode?
            var node = root
            var isLast = true
            while !node.isLeaf, !node.isFull {
                let number = node.ownPosition(of: key, pastEqual: true)
                isLast = isLast && number == node.count
                parent = node
                node = node.child(number)
            }
            let isLeaf = node.isLeaf
            node.lock()
            if node.isFull {
                split(node, parent, appending: isLeaf && isLast)
            } else {
                node.unlockUnchanged()
            }
            if isLeaf { return }
        }
    }

    /// Splits a locked, full node and unlocks it. Where keys only ever come at the end, the left
    /// half stays full.
    private func split(_ node: OrderedNode, _ parent: OrderedNode?, appending: Bool) {
        parent?.lock()
        let capacity = OrderedNode.capacity
        let middle = appending ? capacity - 1 : capacity / 2
        let right = makeNode(isLeaf: node.isLeaf)
        let separator: OrderedKey
        if node.isLeaf {
            separator = makeSeparator(node.key(middle - 1), node.key(middle))
            right.fill((middle..<capacity).map(node.key))
        } else {
            separator = node.key(middle)
            right.fill(
                ((middle + 1)..<capacity).map(node.key),
                children: ((middle + 1)...capacity).map(node.child))
        }
        node.truncate(to: middle)
        if let parent {
            parent.insert(
                separator, at: parent.ownPosition(of: separator.bytes, pastEqual: true),
                child: right)
            parent.unlock()
        } else {
            let top = makeNode(isLeaf: false)
            top.fill([separator], children: [node, right])
            root = top
        }
        node.unlock()
    }

    /// The shortest key above the one and not above the other.
    func makeSeparator(_ left: OrderedKey, _ right: OrderedKey) -> OrderedKey {
        makeKey(right.bytes.prefix(left.bytes.commonPrefix(with: right.bytes) + 1))
    }

    /// Unlinks the leaf of a key if it is still empty, and the inner nodes that led only to it.
    func unlinkEmptyLeaf(of key: ByteView) {
        structureLock.lock()
        defer { structureLock.unlock() }
        // The lowest node with another child, and what hangs below it towards the leaf.
        var holder: (node: OrderedNode, child: Int)?
        var chain: [OrderedNode] = []
        var node = root
        while !node.isLeaf {
            let number = node.ownPosition(of: key, pastEqual: true)
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
