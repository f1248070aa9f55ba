/// The ordered index and its scans.
///
/// Invariants:
/// - The ordered index holds the keys that the hash index holds, but for those between the two
///   changes of one operation, and for records too damaged to tell their key.
extension Engine {
    /// Fills the ordered index, if there is one, before anybody else uses the store.
    func loadOrdered() throws(StoreError) {
        guard let ordered else { return }
        let shards = try inParallel(index.shards.count, threads: options.recoveryThreads) {
            number throws(StoreError) -> (keys: [OrderedKey], unknown: StoreError?) in
            let shard = ShardNumber(number)
            var keys: [OrderedKey] = []
            var unknown: StoreError?
            try self.forEachRecord(inShards: shard..<shard.advanced(by: 1)) { record in
                keys.append(ordered.makeKey(unsafe KeyBytes(record.key)))
            } damage: { record in
                unknown = self.damage(record)
            }
            return (keys, unknown)
        }
        ordered.unknownKey = shards.lazy.compactMap(\.unknown).first
        try ordered.load(shards.flatMap(\.keys), threads: options.recoveryThreads)
    }

    /// A page of keys at a time is copied; then the index and the medium are asked for each, while
    /// those of the next ones are on their way to the processor.
    func scan(
        _ ordered: OrderedIndex, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if let unknown = ordered.unknownKey { throw unknown }
        var page = OrderedPage()
        var start = reverse ? range.to : range.from
        let end = reverse ? range.from : range.to
        var left = limit
        repeat {
            try checkReadable()
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
            let hash = page.withKey(number) { index.hash($0) }
            hashes.append(hash)
            index.prefetch(hash)
        }
        for hash in hashes.prefix(Self.lookahead) { prefetchRecord(hash, lines: Self.lines) }
        for number in 0..<page.count {
            if number + Self.lookahead < page.count {
                prefetchRecord(hashes[number + Self.lookahead], lines: Self.lines)
            }
            let goOn = try page.withKey(number) { key throws(StoreError) -> Bool? in
                if let end, (key.order(against: end) < 0) == reverse { return false }
                return try withRecord(key, hashes[number]) { record in
                    body(record.key.bytes, record.value.bytes)
                }
            }
            guard let goOn else { continue }
            left -= 1
            if !goOn || left == 0 { return false }
        }
        return true
    }
}
