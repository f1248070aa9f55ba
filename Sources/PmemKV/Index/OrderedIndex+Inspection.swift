/// What tests hold against the invariants.
extension OrderedIndex {
    /// The first thing about the tree that is not as its invariants say; nil when all is. Counts
    /// its slots. Nobody else uses the store meanwhile. O(keys).
    func firstProblem(_ slots: inout Int) -> String? {
        problem(of: root, from: nil, to: nil, &slots)
    }

    private func problem(
        of node: OrderedNode, from low: [UInt8]?, to high: [UInt8]?, _ slots: inout Int
    ) -> String? {
        if node.version & 3 != 0 { return "a node is locked or dead" }
        var previous = low
        for slot in 0..<node.count {
            guard let key = key(slot, of: node) else { return "a leaf names no record" }
            if let previous,
                !previous.lexicographicallyPrecedes(key), previous != key || slot > 0
            {
                return "keys are out of order"
            }
            if let high, !key.lexicographicallyPrecedes(high) { return "a key is out of range" }
            if let problem = problem(of: key, slot, of: node) { return problem }
            previous = key
        }
        guard !node.isLeaf else {
            slots += node.count
            return nil
        }
        for number in 0...node.count {
            let problem = problem(
                of: node.child(number), from: number == 0 ? low : key(number - 1, of: node),
                to: number == node.count ? high : key(number, of: node), &slots)
            if let problem { return problem }
        }
        return nil
    }

    private func key(_ slot: Int, of node: OrderedNode) -> [UInt8]? {
        node.isLeaf ? withKey(of: node.location(slot)) { $0.array } : node.key(slot).bytes.array
    }

    private func problem(of key: [UInt8], _ slot: Int, of node: OrderedNode) -> String? {
        let shared = node.header.shared
        return key.withByteView { key in
            if key.count < shared || node.orderAgainstShared(key, shared) != 0 {
                return "a key lacks the shared bytes"
            }
            if node.prefix(slot) != key.dropFirst(shared).sortPrefix { return "a wrong prefix" }
            guard node.isLeaf else { return nil }
            let location = node.location(slot)
            let key = tableKey(key)
            let newest = (try? records.locate(key, records.hash(key)))?.location
            if newest == nil { return "a leaf has a key that is gone" }
            if isTrusted(location), newest != location { return "an old record is trusted" }
            switch records.log.segments.phase(records.log.segments.extent(of: location)) {
            case .open, .sealed, .quarantined: return nil
            case .free, .limbo, .checkpoint, .continuation: return "a leaf names a retired record"
            }
        }
    }
}
