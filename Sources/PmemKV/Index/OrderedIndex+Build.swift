/// Filling the index from the store when it is opened.
extension OrderedIndex {
    /// A key and its eight bytes behind what all keys have in common.
    struct SortedKey {
        var prefix: UInt64
        var key: OrderedKey
    }

    /// Slots that are filled in each node; the others are for the keys to come.
    private static let fill = OrderedNode.capacity / 8 * 7

    /// Fills the empty index with distinct keys in any order, which it takes over. Nobody else
    /// uses the index yet.
    ///
    /// - Complexity: O(n log n), on `threads` threads at most; up to 40 bytes a key meanwhile.
    func load(_ keys: [OrderedKey], threads: Int) throws(StoreError) {
        guard !keys.isEmpty else { return }
        var level: [(node: OrderedNode, first: OrderedKey?)] = []
        let sorted = try Self.sort(keys, threads: threads)
        for start in stride(from: 0, to: sorted.count, by: Self.fill) {
            let leaf = makeNode(isLeaf: true)
            leaf.fill(sorted[start..<min(start + Self.fill, sorted.count)].lazy.map(\.key))
            let separator =
                start == 0 ? nil : makeSeparator(sorted[start - 1].key, sorted[start].key)
            level.append((leaf, separator))
        }
        while level.count > 1 {
            var above: [(node: OrderedNode, first: OrderedKey?)] = []
            for start in stride(from: 0, to: level.count, by: Self.fill + 1) {
                let group = level[start..<min(start + Self.fill + 1, level.count)]
                let node = makeNode(isLeaf: false)
                node.fill(
                    group.dropFirst().compactMap(\.first), children: group.map(\.node))
                above.append((node, group[start].first))
            }
            level = above
        }
        retire(root)
        root = level[0].node
    }

    /// Sorts parts of the keys at the same time, then merges two and two of them.
    private static func sort(
        _ keys: [OrderedKey], threads: Int
    ) throws(StoreError) -> [SortedKey] {
        let shared = sharedBytes(keys)
        let length = max(10_000, (keys.count + threads - 1) / threads)
        var runs = try inParallel((keys.count + length - 1) / length, threads: threads) { part in
            keys[(part * length)..<min((part + 1) * length, keys.count)].map { key in
                SortedKey(prefix: key.bytes.dropFirst(shared).sortPrefix, key: key)
            }.sorted { precedes($0, $1, shared) }
        }
        while runs.count > 1 {
            let unmerged = runs
            runs = try inParallel((runs.count + 1) / 2, threads: threads) { pair in
                2 * pair + 1 < unmerged.count
                    ? merge(unmerged[2 * pair], unmerged[2 * pair + 1], shared)
                    : unmerged[2 * pair]
            }
        }
        return runs[0]
    }

    private static func merge(
        _ left: [SortedKey], _ right: [SortedKey], _ shared: Int
    ) -> [SortedKey] {
        var merged: [SortedKey] = []
        merged.reserveCapacity(left.count + right.count)
        var (i, j) = (0, 0)
        while i < left.count, j < right.count {
            if precedes(right[j], left[i], shared) {
                merged.append(right[j])
                j += 1
            } else {
                merged.append(left[i])
                i += 1
            }
        }
        merged.append(contentsOf: left[i...])
        merged.append(contentsOf: right[j...])
        return merged
    }

    @inline(__always)
    private static func precedes(_ a: SortedKey, _ b: SortedKey, _ shared: Int) -> Bool {
        if a.prefix != b.prefix { return a.prefix < b.prefix }
        return a.key.bytes.dropFirst(shared).order(against: b.key.bytes.dropFirst(shared)) < 0
    }

    /// Bytes that all keys begin with.
    private static func sharedBytes(_ keys: [OrderedKey]) -> Int {
        keys.reduce(keys[0].bytes) { $0.prefix($0.commonPrefix(with: $1.bytes)) }.count
    }
}
