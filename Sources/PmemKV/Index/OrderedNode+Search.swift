/// Finding a key's place in a node.
extension OrderedNode {
    /// Number of slots below the key, or not above it with `pastEqual`. Nil when the node is no
    /// longer what it was in that version.
    ///
    /// - Complexity: O(log 64) comparisons of words; the keys themselves are looked at only where
    ///   both go on behind eight equal bytes.
    @inline(__always)
    func position(
        of key: ByteView, pastEqual: Bool, _ header: Header, _ version: UInt64
    ) -> Int? {
        let shared = header.shared
        if shared > 0 {
            let order = orderAgainstShared(key, shared)
            if order != 0 { return order < 0 ? 0 : header.count }
            if key.count < shared { return 0 }
        }
        let tail = key.dropFirst(shared)
        let prefix = tail.sortPrefix
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
                    order = candidate.bytes.dropFirst(shared).order(against: tail)
                }
                isBelow = pastEqual ? order <= 0 : order < 0
            }
            if isBelow { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// The same in a node that nobody else may change: a locked one, or, under the structure lock,
    /// any inner one.
    func ownPosition(of key: ByteView, pastEqual: Bool) -> Int {
        let version = word(.version).loadRelaxed()
        guard let slot = position(of: key, pastEqual: pastEqual, header, version) else {
            preconditionFailure("a node changed under its owner's lock")
        }
        return slot
    }

    /// Whether a slot holds exactly this key. Node locked.
    func holds(_ key: ByteView, at slot: Int) -> Bool {
        slot < count && self.key(slot).bytes.order(against: key) == 0
    }
}
