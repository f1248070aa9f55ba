/// Scans.
///
/// Invariants:
/// - The ordered index holds all keys that the hash index holds, but for records too damaged to
///   tell their key, and besides those between the two changes of one operation.
extension Engine {
    /// Calls body with the entries of a range in order, until it returns false.
    func scan(
        _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if let ordered {
            try scan(ordered, range, reverse: reverse, limit: limit, body)
        } else {
            try scanSorted(range, reverse: reverse, limit: limit, body)
        }
    }

    /// Collects and sorts the keys of the range first.
    private func scanSorted(
        _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        var keys = SortedKeys(reverse: reverse, limit: limit)
        try records.forEachRecord(
            { record in
                if range.contains(record.key) { keys.insert(record.key) }
            },
            damage: { record throws(StoreError) in throw log.damage(record) })
        for key in keys.sorted() {
            let goOn = try key.withByteView { key throws(StoreError) in
                try self.show(key, self.records.hash(key), body)
            }
            if goOn == false { return }
        }
    }

    private func show(
        _ key: ByteView, _ hash: KeyHash, _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) -> Bool? {
        try records.withRecord(key, hash) { record in
            record.key.withSpan { key in record.value.withSpan { body(key, $0) } }
        }
    }

    // MARK: With the ordered index

    /// A page of keys at a time is copied; then the index and the medium are asked for each, while
    /// those of the next ones are on their way to the processor.
    private func scan(
        _ ordered: OrderedIndex, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if let unknown = ordered.unknownKey { throw unknown }
        var page = OrderedPage()
        var start = reverse ? range.to : range.from
        let end = reverse ? range.from : range.to
        var left = limit
        repeat {
            try gate.checkReadable()
            ordered.read(from: start, ascending: !reverse, limit: left, into: &page)
            guard try visit(page, upTo: end, reverse: reverse, &left, body) else { return }
            start = page.next
        } while start != nil
    }

    private static let lookahead = 6
    /// A short record is wholly on its way before it is looked at.
    private static let lines = 4

    /// False when the scan is over.
    private func visit(
        _ page: OrderedPage, upTo end: [UInt8]?, reverse: Bool, _ left: inout Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) -> Bool {
        var hashes: [KeyHash] = []
        hashes.reserveCapacity(page.count)
        for number in 0..<page.count {
            let hash = page.withKey(number) { records.hash($0) }
            hashes.append(hash)
            index.prefetch(hash)
        }
        for hash in hashes.prefix(Self.lookahead) {
            records.prefetchRecord(hash, lines: Self.lines)
        }
        for number in 0..<page.count {
            if number + Self.lookahead < page.count {
                records.prefetchRecord(hashes[number + Self.lookahead], lines: Self.lines)
            }
            let goOn = try page.withKey(number) { key throws(StoreError) -> Bool? in
                if let end, (key.order(against: end) < 0) == reverse { return false }
                return try show(key, hashes[number], body)
            }
            guard let goOn else { continue }
            left -= 1
            if !goOn || left == 0 { return false }
        }
        return true
    }
}

/// The keys of a scan; the lowest `limit` of them, or the highest when reversed.
private struct SortedKeys {
    let reverse: Bool
    let limit: Int
    private var keys: [[UInt8]] = []
    /// The last key that still belongs to the scan, once there are enough.
    private var bound: [UInt8]?
    /// Keys from which on those behind the limit are dropped: a short scan of a large store stays
    /// small, and what comes behind the last key that was kept is not even copied.
    private let cutAt: Int

    init(reverse: Bool, limit: Int) {
        self.reverse = reverse
        self.limit = limit
        let (twice, overflows) = limit.multipliedReportingOverflow(by: 2)
        cutAt = overflows || twice > .max - 1024 ? .max : twice + 1024
    }

    mutating func insert(_ key: ByteView) {
        if let bound, !comesBefore(key, bound) { return }
        keys.append(key.array)
        guard keys.count >= cutAt else { return }
        keys = sorted()
        bound = keys.last
    }

    private func comesBefore(_ key: ByteView, _ other: [UInt8]) -> Bool {
        let order = key.order(against: other)
        return reverse ? order > 0 : order < 0
    }

    func sorted() -> [[UInt8]] {
        let ascending = keys.sorted { $0.lexicographicallyPrecedes($1) }
        return Array(reverse ? ascending.reversed().prefix(limit) : ascending.prefix(limit))
    }
}
