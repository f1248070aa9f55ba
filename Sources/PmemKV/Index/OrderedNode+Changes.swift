import CPmem

/// Changing a node: it is locked, or not yet reachable.
extension OrderedNode {
    // MARK: Inner nodes

    /// Puts a separator in its place, and behind it the child that begins with it.
    func insert(_ key: OrderedKey, at slot: Int, child: OrderedNode) {
        let count = count
        let shared = makeSharedFit(key.bytes)
        open(slot, of: count)
        word(.prefixes, slot).storeRelaxed(key.bytes.dropFirst(shared).sortPrefix)
        word(.entries, slot).storeRelaxed(key.rawValue)
        move(.children, from: slot + 1, to: slot + 2, count: count - slot)
        word(.children, slot + 1).storeRelaxed(child.word)
        header = header.with(count: count + 1, shared: shared)
    }

    /// Takes a separator out, and one of the two children beside it.
    func remove(at slot: Int, child: Int) -> OrderedKey {
        let count = count
        let key = key(slot)
        move(.children, from: child + 1, to: child, count: count - child)
        close(slot)
        return key
    }

    /// Makes an inner node hold these separators, ascending, and children, one more.
    func fill(_ keys: some RandomAccessCollection<OrderedKey>, children: [OrderedNode]) {
        for (number, child) in children.enumerated() {
            word(.children, number).storeRelaxed(child.word)
        }
        var shared = 0
        if let first = keys.first, let last = keys.last {
            let common = first.bytes.commonPrefix(with: last.bytes)
            shared = min(Self.sharedCapacity, common)
            storeShared(first.bytes.prefix(shared))
        }
        for (slot, key) in keys.enumerated() {
            word(.prefixes, slot).storeRelaxed(key.bytes.dropFirst(shared).sortPrefix)
            word(.entries, slot).storeRelaxed(key.rawValue)
        }
        clearPrefixes(keys.count..<max(count, keys.count))
        header = header.with(count: keys.count, shared: shared)
    }

    // MARK: Leaves

    /// Puts a record in the place of its key.
    func insert(_ key: ByteView, _ location: Location, at slot: Int) {
        let count = count
        let shared = makeSharedFit(key)
        open(slot, of: count)
        word(.prefixes, slot).storeRelaxed(key.dropFirst(shared).sortPrefix)
        word(.entries, slot).storeRelaxed(location.units)
        header = header.with(count: count &+ 1, shared: shared)
    }

    /// Lets a slot name another record of the same key.
    @inline(__always)
    func setLocation(_ location: Location, at slot: Int) {
        word(.entries, slot).storeRelaxed(location.units)
    }

    /// Takes a slot out.
    func remove(at slot: Int) { close(slot) }

    /// Makes a leaf hold what stands in another one, from a slot on.
    func takeSlots(from start: Int, of other: OrderedNode) {
        assert(isLeaf && count == 0)
        let count = other.count - start
        unsafe cpmem_move_words(
            address(.prefixes), other.address(.prefixes, start), count)
        unsafe cpmem_move_words(address(.entries), other.address(.entries, start), count)
        let shared = other.header.shared
        unsafe cpmem_move_words(
            address(.shared), other.address(.shared), Self.sharedCapacity / 8)
        header = header.with(count: count, shared: shared)
    }

    /// Makes a leaf hold so many slots, whose keys begin with these bytes.
    func fill(
        count: Int, shared: ByteView, _ slot: (Int) -> (prefix: UInt64, location: Location)
    ) {
        storeShared(shared)
        for number in 0..<count {
            let (prefix, location) = slot(number)
            word(.prefixes, number).storeRelaxed(prefix)
            word(.entries, number).storeRelaxed(location.units)
        }
        clearPrefixes(count..<max(self.count, count))
        header = header.with(count: count, shared: shared.count)
    }

    // MARK: Both

    /// Keeps the first slots; in an inner node the children of these.
    func truncate(to count: Int) {
        clearPrefixes(count..<self.count)
        header = header.with(count: count, shared: header.shared)
    }

    /// Marks slots as not in use: for a search they are behind all others.
    func clearPrefixes(_ slots: Range<Int>) {
        for slot in slots { word(.prefixes, slot).storeRelaxed(.max) }
    }

    /// Lowers the number of shared bytes to what a key has of them, and returns it.
    ///
    /// No key is needed for that: the bytes that are no longer shared come in front of each prefix.
    private func makeSharedFit(_ key: ByteView) -> Int {
        let header = header
        // With one key in it nothing says what the next ones have in common.
        guard header.count > 0 else { return 0 }
        let shared = header.shared
        guard shared > 0 else { return 0 }
        let match = commonPrefix(with: key, shared)
        if match < shared {
            withSharedBytes(shared) { bytes in
                let tail = bytes.dropFirst(match)
                let shift = UInt64(8 * min(8, tail.count))
                for slot in 0..<header.count {
                    let old = shift < 64 ? prefix(slot) &>> shift : 0
                    word(.prefixes, slot).storeRelaxed(tail.sortPrefix | old)
                }
            }
            self.header = header.with(count: header.count, shared: match)
        }
        return match
    }

    /// Makes room for a slot.
    private func open(_ slot: Int, of count: Int) {
        move(.prefixes, from: slot, to: slot &+ 1, count: count &- slot)
        move(.entries, from: slot, to: slot &+ 1, count: count &- slot)
    }

    /// Takes a slot out of both rows.
    private func close(_ slot: Int) {
        let before = header
        move(.prefixes, from: slot &+ 1, to: slot, count: before.count &- slot &- 1)
        move(.entries, from: slot &+ 1, to: slot, count: before.count &- slot &- 1)
        clearPrefixes((before.count &- 1)..<before.count)
        header = before.with(count: before.count - 1, shared: before.shared)
    }

    private func move(_ row: Row, from start: Int, to target: Int, count: Int) {
        assert(count >= 0)
        unsafe cpmem_move_words(address(row, target), address(row, start), count)
    }
}
