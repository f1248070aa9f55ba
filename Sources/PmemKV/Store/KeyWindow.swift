/// The keys that one pass over the hash index finds for a scan: the first ones in its order, as
/// many as the memory of a pass holds.
///
/// Invariant: every key that was inserted is here, or lies behind ``bound``.
struct KeyWindow {
    /// Bytes of keys and entries. With the room that arrays grow by, and what sorting takes, a
    /// window stays below four times as much.
    private static let budget = 12 << 20

    private struct Entry {
        /// The first bytes behind those that all keys begin with, when the entries are sorted.
        var prefix: UInt64 = 0
        let start: UInt32
        let length: UInt32

        var bytes: Int { MemoryLayout<Entry>.stride + Int(length) }
        var range: Range<Int> { Int(start)..<(Int(start) + Int(length)) }
    }

    private let reverse: Bool
    private let limit: Int
    /// Entries from which on those behind the limit are dropped: a short scan of a large store
    /// stays small, and what comes behind the last key that was kept is not even copied.
    private let cutAt: Int
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// The last key that still belongs here, once some had to go; nil when all are here.
    private(set) var bound: [UInt8]?

    init(reverse: Bool, limit: Int) {
        self.reverse = reverse
        self.limit = limit
        cutAt = limit < .max / 4 ? 2 * limit + 1024 : .max
    }

    var count: Int { entries.count }

    func withKey<R, E: Error>(
        _ number: Int, _ body: (ByteView) throws(E) -> R
    ) throws(E) -> R {
        try bytes.withByteView { all throws(E) in try body(all.slice(entries[number].range)) }
    }

    mutating func insert(_ key: ByteView) {
        if let bound {
            let order = key.order(against: bound)
            if reverse ? order < 0 : order > 0 { return }
        }
        append(key)
        let size = bytes.count + entries.count * MemoryLayout<Entry>.stride
        if size >= Self.budget || entries.count >= cutAt { cut() }
    }

    private mutating func append(_ key: ByteView) {
        entries.append(
            Entry(
                start: UInt32(truncatingIfNeeded: bytes.count),
                length: UInt32(truncatingIfNeeded: key.count)))
        unsafe bytes.append(contentsOf: key.buffer)
    }

    /// Drops the last keys: those behind the limit, and half of what memory holds.
    private mutating func cut() {
        sort()
        var size = 0
        let kept = entries.prefix(limit).prefix { entry in
            size += entry.bytes
            return size <= Self.budget / 2
        }
        guard kept.count < entries.count else { return }
        let old = bytes
        bytes = []
        entries = []
        old.withByteView { old in
            for entry in kept { append(old.slice(entry.range)) }
        }
        bound = withKey(count - 1) { $0.array }
    }

    /// How many bytes all keys begin with: keys of one kind often differ only behind many, and
    /// numbers are compared much faster than bytes.
    private func sharedLength(in all: ByteView) -> Int {
        guard let first = entries.first else { return 0 }
        var shared = all.slice(first.range)
        for entry in entries {
            shared = shared.prefix(shared.commonPrefix(with: all.slice(entry.range)))
        }
        return shared.count
    }

    /// Brings the keys into the order of the scan.
    mutating func sort() {
        let reverse = reverse
        let all = bytes
        all.withByteView { all in
            let shared = sharedLength(in: all)
            for number in entries.indices {
                let key = all.slice(entries[number].range)
                entries[number].prefix = key.dropFirst(shared).sortPrefix
            }
            entries.sort { left, right in
                let isBefore =
                    left.prefix == right.prefix
                    ? all.slice(left.range).order(against: all.slice(right.range)) < 0
                    : left.prefix < right.prefix
                return isBefore != reverse
            }
        }
    }
}
