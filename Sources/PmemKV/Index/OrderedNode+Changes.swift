/// Changing a node: it is locked, or not yet reachable.
extension OrderedNode {
    /// Puts a key in its place, and in an inner node the child that begins with it.
    func insert(_ key: OrderedKey, at slot: Int, child: OrderedNode? = nil) {
        let before = header
        var shared = before.count == 0 ? 0 : before.shared
        let match = commonPrefix(with: key.bytes, shared)
        if match < shared {
            shared = match
            share(shared)
        }
        makeGap(in: .prefixes, at: slot, count: before.count)
        makeGap(in: .keys, at: slot, count: before.count)
        store(key, at: slot, shared: shared)
        if let child {
            makeGap(in: .children, at: slot + 1, count: before.count + 1)
            storeChild(child, at: slot + 1)
        }
        header = Header(count: before.count + 1, shared: shared, isLeaf: before.isLeaf)
    }

    /// Takes a slot out. An inner node loses one of the two children beside it, too.
    func remove(at slot: Int, child: Int? = nil) -> OrderedKey {
        let before = header
        let key = key(slot)
        closeGap(in: .prefixes, at: slot, count: before.count)
        closeGap(in: .keys, at: slot, count: before.count)
        if let child { closeGap(in: .children, at: child, count: before.count + 1) }
        header = Header(count: before.count - 1, shared: before.shared, isLeaf: before.isLeaf)
        return key
    }

    /// Makes the node hold these keys, ascending, and children, one more than keys.
    func fill(_ keys: some RandomAccessCollection<OrderedKey>, children: [OrderedNode] = []) {
        for (slot, key) in keys.enumerated() { word(.keys, slot).storeRelaxed(key.rawValue) }
        for (number, child) in children.enumerated() { storeChild(child, at: number) }
        header = Header(count: keys.count, shared: 0, isLeaf: isLeaf)
        shareMost()
    }

    /// Keeps the first slots; in an inner node the children of these.
    func truncate(to count: Int) {
        header = Header(count: count, shared: header.shared, isLeaf: isLeaf)
        shareMost()
    }

    private func store(_ key: OrderedKey, at slot: Int, shared: Int) {
        word(.prefixes, slot).storeRelaxed(key.bytes.dropFirst(shared).sortPrefix)
        word(.keys, slot).storeRelaxed(key.rawValue)
    }

    private func storeChild(_ child: OrderedNode, at number: Int) {
        word(.children, number).storeRelaxed(child.word)
    }

    /// Moves what stands at and above a place of an array of `count` words up by one.
    private func makeGap(in row: Row, at place: Int, count: Int) {
        var number = count
        while number > place {
            word(row, number).storeRelaxed(word(row, number &- 1).loadRelaxed())
            number &-= 1
        }
    }

    /// Moves what stands above a place of an array of `count` words down by one.
    private func closeGap(in row: Row, at place: Int, count: Int) {
        var number = place &+ 1
        while number < count {
            word(row, number &- 1).storeRelaxed(word(row, number).loadRelaxed())
            number &+= 1
        }
    }

    /// Shares as many bytes as the first and the last key, and so all between them, have in common.
    private func shareMost() {
        let count = count
        guard count > 0 else { return }
        share(min(Self.sharedCapacity, key(0).bytes.commonPrefix(with: key(count - 1).bytes)))
    }

    private func share(_ shared: Int) {
        let count = count
        storeShared(key(0).bytes.prefix(shared))
        for slot in 0..<count { store(key(slot), at: slot, shared: shared) }
        header = Header(count: count, shared: shared, isLeaf: isLeaf)
    }
}
