/// What a transaction is going to write, and what it reads of that.
struct PendingWrites {
    private(set) var batch = WriteBatch()
    /// Of the entries' keys, under seeds of their own.
    private var hashes: [KeyHash] = []
    /// The last entry of each hash, once there are more than a ``few``.
    private var last: [KeyHash: Int] = [:]

    /// Entries that are looked through one by one.
    private static let few = 16

    mutating func add(_ key: RawSpan, _ value: RawSpan?, in table: [UInt8]?) {
        let table = table.map { batch.number(of: $0) } ?? 0
        let hash = key.withByteView { Self.hash($0, table) }
        batch.add(key, value, table)
        hashes.append(hash)
        guard hashes.count > Self.few else { return }
        if last.isEmpty {
            for (number, hash) in hashes.enumerated() { last[hash] = number }
        } else {
            last[hash] = hashes.count - 1
        }
    }

    mutating func removeAll() {
        batch.removeAll()
        hashes.removeAll(keepingCapacity: true)
        last.removeAll(keepingCapacity: true)
    }

    private static func hash(_ key: ByteView, _ table: Int) -> KeyHash {
        KeyHash(of: key, seed: UInt64(table))
    }

    /// The number of a table in the batch; nil where nothing is written to it.
    private func number(of table: [UInt8]?) -> Int? {
        guard let table else { return 0 }
        return batch.tables.firstIndex(of: table).map { $0 + 1 }
    }

    var isSmall: Bool { batch.isSmall && hashes.capacity <= 64 }

    /// What is going to be done to a key.
    ///
    /// - Complexity: O(1) plus the bytes, which are copied: callers' code may add entries while it
    ///   looks at them.
    func update(of key: ByteView, in table: [UInt8]?) -> ValueUpdate {
        guard !hashes.isEmpty, let table = number(of: table) else { return .keep }
        let hash = Self.hash(key, table)
        return batch.withBytes { bytes in
            guard let number = lastEntry(of: key, table, hash, in: bytes) else { return .keep }
            return update(by: batch.entries[number], in: bytes)
        }
    }

    /// The keys of a range of a table that are going to be written, in order, each with what is
    /// done to it.
    ///
    /// - Complexity: O(n log n) for n entries.
    func entries(
        of table: [UInt8]?, in range: KeyRange, reverse: Bool
    ) -> [(key: [UInt8], update: ValueUpdate)] {
        guard let table = number(of: table) else { return [] }
        let found = batch.withBytes { bytes in
            batch.entries.indices.compactMap { number -> (key: [UInt8], update: ValueUpdate)? in
                let entry = batch.entries[number]
                let key = entry.key(in: bytes)
                guard Int(entry.table) == table, range.contains(key),
                    lastEntry(of: key, table, hashes[number], in: bytes) == number
                else { return nil }
                return (key.array, update(by: entry, in: bytes))
            }
        }
        return found.sorted { $0.key.lexicographicallyPrecedes($1.key) != reverse }
    }

    private func update(by entry: WriteBatch.Entry, in bytes: ByteView) -> ValueUpdate {
        entry.kind.isFound ? .set(entry.value(in: bytes).array) : .remove
    }

    private func lastEntry(
        of key: ByteView, _ table: Int, _ hash: KeyHash, in bytes: ByteView
    ) -> Int? {
        guard let last = hashes.count > Self.few ? last[hash] : hashes.lastIndex(of: hash) else {
            return nil
        }
        // Another one only where two keys have one hash.
        return (0...last).last {
            let entry = batch.entries[$0]
            return hashes[$0] == hash && Int(entry.table) == table
                && entry.key(in: bytes).hasSameBytes(as: key)
        }
    }
}
