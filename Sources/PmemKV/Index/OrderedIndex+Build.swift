import CPmem

/// Filling the index from the store when it is opened.
extension OrderedIndex {
    /// Slots that are filled in each node; the others are for the keys to come.
    private static let fill = OrderedNode.capacity * 7 / 8

    /// Fills the empty index with the records of distinct keys, which begin with these bytes:
    /// ranges of them, one behind the other, each ascending.
    ///
    /// - Complexity: O(n); keys are read only where eight bytes behind the shared ones are not
    ///   enough.
    func load(
        _ sorted: [[Entry]], sharing shared: [UInt8], threads: Int
    ) throws(StoreError) {
        let ranges = sorted.filter { !$0.isEmpty }
        let leaves = try inParallel(ranges.count, threads: threads) { number in
            shared.withByteView { shared in
                self.fillLeaves(
                    ranges[number], behind: number == 0 ? nil : ranges[number - 1].last, shared)
            }
        }
        var level = leaves.flatMap { $0 }
        // The medium has failed since the keys were read: no scan is complete any more.
        if level.contains(where: \.isMisplaced) { unknownKey = RecordIndex.lostPage }
        guard !level.isEmpty else { return }
        while level.count > 1 {
            var above: [Built] = []
            for start in stride(from: 0, to: level.count, by: Self.fill + 1) {
                let group = level[start..<min(start + Self.fill + 1, level.count)]
                let node = makeNode(level[start].node.isLeaf ? .lowest : .upper)
                node.fill(
                    group.dropFirst().compactMap(\.first), children: group.map(\.node))
                above.append(Built(node: node, first: group[start].first))
            }
            level = above
        }
        retire(root)
        root = level[0].node
    }

    /// A node and the separator before it; none before the first one.
    private struct Built {
        let node: OrderedNode
        let first: OrderedKey?
        /// Whether records could not tell their keys, so that the separator may be a wrong one.
        var isMisplaced = false
    }

    private func fillLeaves(
        _ sorted: [Entry], behind last: Entry?, _ shared: ByteView
    ) -> [Built] {
        var leaves: [Built] = []
        leaves.reserveCapacity(sorted.count / Self.fill + 1)
        for start in stride(from: 0, to: sorted.count, by: Self.fill) {
            let before = start == 0 ? last : sorted[start - 1]
            let leaf = makeNode(.leaf)
            leaf.fill(count: min(Self.fill, sorted.count - start), shared: shared) { slot in
                let entry = sorted[start + slot]
                return (entry.prefix, entry.location)
            }
            shareMore(leaf)
            leaves.append(built(leaf, of: sorted[start], behind: before, shared))
        }
        return leaves
    }

    private func built(
        _ leaf: OrderedNode, of first: Entry, behind last: Entry?, _ shared: ByteView
    ) -> Built {
        guard let last else { return Built(node: leaf, first: nil) }
        let separator = makeSeparator(
            shared, (last.prefix, last.location), (first.prefix, first.location))
        if let separator { return Built(node: leaf, first: separator) }
        let guess = shared.array + Self.bytes(of: first.prefix, count: 8)
        return Built(node: leaf, first: guess.withByteView(makeKey), isMisplaced: true)
    }
}
