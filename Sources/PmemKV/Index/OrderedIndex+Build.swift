import CPmem
import Dispatch

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
    /// - Complexity: O(n log n), on `threads` threads at most; 24 bytes a key meanwhile.
    func load(_ keys: [OrderedKey], threads: Int) {
        guard !keys.isEmpty else { return }
        var level: [(node: OrderedNode, first: OrderedKey?)] = []
        let sorted = Self.sort(keys, threads: threads)
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

    /// Sorts parts of the keys at the same time and merges them.
    private static func sort(_ keys: [OrderedKey], threads: Int) -> [SortedKey] {
        let shared = sharedBytes(keys)
        var entries = keys.map { key in
            let tail = UnsafeRawBufferPointer(rebasing: key.bytes[shared...])
            return SortedKey(prefix: cpmem_sort_prefix(tail.baseAddress, tail.count), key: key)
        }
        let parts = keys.count < 10_000 ? 1 : max(1, threads)
        let length = (entries.count + parts - 1) / parts
        let count = entries.count
        @Sendable func range(_ part: Int, of length: Int) -> Range<Int> {
            min(part * length, count)..<min((part + 1) * length, count)
        }
        entries.withUnsafeMutableBufferPointer { buffer in
            let shareable = ShareableBuffer(buffer)
            DispatchQueue.concurrentPerform(iterations: parts) { part in
                var own = UnsafeMutableBufferPointer(
                    rebasing: shareable.buffer[range(part, of: length)])
                own.sort { precedes($0, $1, shared) }
            }
        }
        var width = length
        while width < entries.count {
            let pairs = (entries.count + 2 * width - 1) / (2 * width)
            var merged: [SortedKey] = []
            merged.reserveCapacity(entries.count)
            for pair in 0..<pairs {
                merge(
                    entries[range(2 * pair, of: width)], entries[range(2 * pair + 1, of: width)],
                    shared, into: &merged)
            }
            entries = merged
            width *= 2
        }
        return entries
    }

    private static func merge(
        _ left: ArraySlice<SortedKey>, _ right: ArraySlice<SortedKey>, _ shared: Int,
        into merged: inout [SortedKey]
    ) {
        var (i, j) = (left.startIndex, right.startIndex)
        while i < left.endIndex, j < right.endIndex {
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
    }

    @inline(__always)
    private static func precedes(_ a: SortedKey, _ b: SortedKey, _ shared: Int) -> Bool {
        if a.prefix != b.prefix { return a.prefix < b.prefix }
        let tail = UnsafeRawBufferPointer(rebasing: b.key.bytes[shared...])
        return a.key.compare(from: shared, tail) < 0
    }

    /// Bytes that all keys begin with.
    private static func sharedBytes(_ keys: [OrderedKey]) -> Int {
        let first = keys[0]
        return keys.reduce(first.count) {
            $0 == 0
                ? 0 : cpmem_common_prefix(first.address, $0, $1.address, $1.count)
        }
    }
}

/// Lets threads work on disjoint parts of one buffer.
private struct ShareableBuffer: @unchecked Sendable {
    let buffer: UnsafeMutableBufferPointer<OrderedIndex.SortedKey>

    init(_ buffer: UnsafeMutableBufferPointer<OrderedIndex.SortedKey>) { self.buffer = buffer }
}
