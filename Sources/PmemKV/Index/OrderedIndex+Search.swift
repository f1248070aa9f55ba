import CPmem

/// Finding leaves, and slots in them.
extension OrderedIndex {
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
            guard let (child, number) = child(bound, node, header, version) else { return nil }
            if header.isLowest { child.prefetchEntries() }
            if bound.ascending ? number < header.count : number > 0 {
                next = node.key(bound.ascending ? number : number - 1)
                owner = (node, version)
            }
            let childVersion = child.settledVersion()
            guard node.isStill(version) else { return nil }
            node = child
            version = childVersion
        }
    }

    /// A leaf on its way to the processor, as nobody has looked at it yet, and the node above it
    /// that led there; none where the leaf is the root.
    struct Hint {
        let leaf: OrderedNode
        private let parent: (node: OrderedNode, version: UInt64)?

        fileprivate init(_ leaf: OrderedNode, below parent: (node: OrderedNode, version: UInt64)?) {
            self.leaf = leaf
            self.parent = parent
        }

        /// Locks the leaf if it is still the one of the key that was looked for.
        @inline(__always)
        func tryLock() -> Bool {
            guard let parent else { return false }
            // Behind a fence the lock waits for the medium. The entries come meanwhile, and are not
            // asked for before: more lines at once than the processor waits for hold up the record.
            leaf.prefetchEntries()
            let version = leaf.settledVersion()
            return parent.node.isStill(parent.version) && leaf.tryLock(version)
        }
    }

    /// Starts to load the leaf of a key. Inside an epoch. O(log n), no lock.
    func hint(of key: ByteView) -> Hint {
        while true {
            if let hint = tryHint(Bound(key: key, ascending: true)) { return hint }
            cpmem_pause()
        }
    }

    private func tryHint(_ bound: Bound) -> Hint? {
        var node = root
        var version = node.settledVersion()
        guard root == node else { return nil }
        while true {
            let header = node.header
            guard !header.isLeaf else { return Hint(node, below: nil) }
            guard let child = child(bound, node, header, version)?.node else { return nil }
            if header.isLowest { return Hint(child, below: (node, version)) }
            let childVersion = child.settledVersion()
            guard node.isStill(version) else { return nil }
            node = child
            version = childVersion
        }
    }

    /// The next node on the way down from one that was in this version, and its number there.
    @inline(__always)
    private func child(
        _ bound: Bound, _ node: OrderedNode, _ header: OrderedNode.Header, _ version: UInt64
    ) -> (node: OrderedNode, number: Int)? {
        guard let number = childNumber(bound, node, header, version) else { return nil }
        let word = node.childWord(number)
        guard node.isStill(version) else { return nil }
        let child = OrderedNode(word: word)
        child.prefetch()
        return (child, number)
    }

    @inline(__always)
    private func childNumber(
        _ bound: Bound, _ node: OrderedNode, _ header: OrderedNode.Header, _ version: UInt64
    ) -> Int? {
        guard let key = bound.key else { return bound.ascending ? 0 : header.count }
        return node.childNumber(of: key, pastEqual: bound.ascending, header, version)
    }

    // MARK: Slots of a leaf

    /// Slots of a leaf that are below a key, in that version. Nil when it is no longer in it.
    @inline(__always)
    func position(of key: ByteView, in place: Place, _ header: OrderedNode.Header) -> Int? {
        let ties = place.leaf.ties(of: key, header)
        guard !ties.isEmpty else { return ties.lowerBound }
        return position(of: key, in: place.leaf, ties) { place.leaf.isStill(place.version) }
    }

    /// The same in a leaf that the caller has locked.
    func ownPosition(of key: ByteView, in leaf: OrderedNode) -> Int {
        let ties = leaf.ties(of: key, leaf.header)
        guard !ties.isEmpty else { return ties.lowerBound }
        guard let slot = position(of: key, in: leaf, ties, isStill: { true }) else {
            preconditionFailure("a leaf changed under its owner's lock")
        }
        return slot
    }

    /// The slot of a key whose newest record is there, in a leaf that the caller has locked. The
    /// slot may name an older one.
    func ownSlot(of key: ByteView, at location: Location, in leaf: OrderedNode) -> Int? {
        let ties = leaf.ties(of: key, leaf.header)
        if let slot = leaf.slot(naming: location, in: ties) { return slot }
        return ties.first { order(of: leaf.location($0), against: key) == 0 }
    }

    /// Looks at the keys of the slots that eight bytes do not tell apart.
    ///
    /// A record that is damaged cannot tell its key. Then all are looked at one by one: the slot
    /// counts as not below, and where it stands is behind what is known to be.
    @inline(never)
    private func position(
        of key: ByteView, in leaf: OrderedNode, _ ties: Range<Int>, isStill: () -> Bool
    ) -> Int? {
        var low = ties.lowerBound
        var high = ties.upperBound
        while low < high {
            let middle = (low &+ high) / 2
            let location = leaf.location(middle)
            guard isStill() else { return nil }
            guard let order = order(of: location, against: key) else {
                var last = ties.lowerBound
                for slot in ties {
                    let location = leaf.location(slot)
                    guard isStill() else { return nil }
                    if let order = self.order(of: location, against: key), order < 0 {
                        last = slot + 1
                    }
                }
                return last
            }
            if order < 0 { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// How the key of a record that a slot names orders against another; nil when nobody can tell.
    private func order(of location: Location, against key: ByteView) -> Int? {
        withKey(of: location) { $0.order(against: key) }
    }

    /// Gives the key of a record that a slot names to body; nil when it cannot be told.
    @inline(__always)
    func withKey<R>(of location: Location, _ body: (ByteView) -> R) -> R? {
        let result = try? records.log.withRecord(at: location) { record -> R? in
            record.knowsKey ? body(record.key) : nil
        }
        return result ?? nil
    }
}
