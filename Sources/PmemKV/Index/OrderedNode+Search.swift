import CPmem

/// Finding a key's place in a node.
extension OrderedNode {
    /// Slots whose keys may be the one looked for: all before them are below it, all behind them
    /// above. Where it is empty, it is where the key would stand.
    ///
    /// What was read belongs together only if the node is still in the version it was in before.
    ///
    /// - Complexity: 15 comparisons of words.
    @inline(__always)
    func ties(of key: ByteView, _ header: Header) -> Range<Int> {
        let shared = header.shared
        let count = min(header.count, Self.capacity)
        if shared > 0 {
            let order = orderAgainstShared(key, shared)
            if order != 0 { return order < 0 ? 0..<0 : count..<count }
            if key.count < shared { return 0..<0 }
        }
        let prefix = key.dropFirst(shared).sortPrefix
        let low = min(
            count,
            Int(
                unsafe cpmem_count_below(
                    address(.prefixes), address(header.isLeaf ? .entries : .children), prefix)))
        var high = low
        while high < count, self.prefix(high) == prefix { high &+= 1 }
        return low..<high
    }

    /// Number of separators below the key, or not above it with `pastEqual`. Nil when the node is
    /// no longer what it was in that version.
    @inline(__always)
    func childNumber(
        of key: ByteView, pastEqual: Bool, _ header: Header, _ version: UInt64
    ) -> Int? {
        let ties = ties(of: key, header)
        guard !ties.isEmpty else { return ties.lowerBound }
        var low = ties.lowerBound
        var high = ties.upperBound
        while low < high {
            let middle = (low &+ high) / 2
            let candidate = self.key(middle)
            guard isStill(version) else { return nil }
            let order = candidate.bytes.order(against: key)
            if pastEqual ? order <= 0 : order < 0 { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// The same, of an inner node that nobody else may change: under the structure lock.
    func ownChildNumber(of key: ByteView, pastEqual: Bool) -> Int {
        let version = word(.version).loadRelaxed()
        guard
            let number = childNumber(of: key, pastEqual: pastEqual, header, version)
        else { preconditionFailure("a node changed under its owner's lock") }
        return number
    }

    /// Whether one of these slots of a leaf names a location; which one.
    @inline(__always)
    func slot(naming location: Location, in slots: Range<Int>) -> Int? {
        for slot in slots where self.location(slot) == location { return slot }
        return nil
    }
}
