/// Scans.
///
/// Invariants:
/// - The ordered index holds all keys that the hash index holds, but for records too damaged to
///   tell their key, and besides those between the two changes of one operation.
/// - A key is shown behind the one before it in order, so none is shown twice; what a page or a
///   pass leaves out lies behind its last key, where the next one begins.
extension Engine {
    /// Calls body with the entries of a range in order, until it returns false: those of the moment
    /// at the beginning.
    ///
    /// - Parameter table: which one; asked again when the moment has been fixed. Nil, without any
    ///   entries, where there is none.
    func scan(
        _ range: KeyRange, of table: () -> TableState?, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try withView(of: range, of: table, reverse: reverse) { view throws(StoreError) in
            try scan(view, limit: limit, body)
        }
    }

    /// Gives a view of the present moment to body; not where there is no such table.
    func withView(
        of range: KeyRange, of table: () -> TableState?, reverse: Bool,
        _ body: (ScanView) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let (own, table) = try beginSnapshot(of: range, of: table) else { return }
        defer { space.end(own) }
        try body(ScanView(own, range, of: table, reverse: reverse, isOwn: true, space))
    }

    /// A snapshot of the keys of a range, and their table as it is in it; nil where there is none.
    func beginSnapshot(
        of range: KeyRange, of table: () -> TableState?
    ) throws(StoreError) -> (snapshot: LivingSnapshot, table: TableState)? {
        while let expected = table() {
            let own = try records.beginSnapshot(of: range, in: expected.ref.number)
            // Below a floor that is raised behind the snapshot's number, that sees what stood
            // there.
            if let seen = table(), seen == expected { return (own, seen) }
            space.end(own)
        }
        try gate.checkReadable()
        return nil
    }

    func scan(
        _ view: ScanView, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        let frame = gate.callbacks.enter(.reader)
        if let tree = ordered?.tree(of: view.table.ref.number) {
            var scan = OrderedScan(tree, view, limit: limit)
            try scan.run(from: view.start, in: frame, body)
        } else {
            try scanInPasses(view, limit: limit, in: frame, body)
        }
    }

    /// Goes through the hash index for the first keys of the range, as many as a ``KeyWindow``
    /// holds, shows them, and goes through it again for those behind.
    private func scanInPasses(
        _ view: ScanView, limit: Int, in frame: borrowing CallbackFrame,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        var rest = view.range
        var left = limit
        while true {
            var window = KeyWindow(reverse: view.reverse, limit: left)
            try records.forEachRecord(
                seenBy: view.snapshot,
                { record in
                    guard record.table == view.table.ref.number,
                        record.sequence >= view.table.floor, rest.contains(record.key)
                    else { return }
                    window.insert(record.key)
                },
                damage: { record throws(StoreError) in throw log.damage(record) })
            window.sort()
            // What a snapshot loses when it ends is not to be taken for what was not there.
            try records.check(view.snapshot)
            guard try visit(window, view, &left, in: frame, body),
                let last = window.bound
            else { return }
            rest = rest.part(behind: last, reverse: view.reverse)
        }
    }

    // MARK: Showing

    private static let lookahead = 6
    /// Keys whose buckets are on their way at once.
    private static let keysAtOnce = 64

    /// Asks the index and the medium for each key, while what the next ones need is on its way to
    /// the processor. False when the scan is over.
    private func visit(
        _ keys: KeyWindow, _ view: ScanView, _ left: inout Int,
        in frame: borrowing CallbackFrame,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) -> Bool {
        var hashes: [KeyHash] = []
        hashes.reserveCapacity(min(keys.count, Self.keysAtOnce))
        for start in stride(from: 0, to: keys.count, by: Self.keysAtOnce) {
            let count = min(Self.keysAtOnce, keys.count - start)
            load(keys, start..<(start + count), view, into: &hashes)
            keys.withKey(start) { view.passed(before: $0) }
            for number in 0..<count {
                if number + Self.lookahead < count {
                    records.prefetchRecord(
                        hashes[number + Self.lookahead], lines: RecordLayout.shortLines)
                }
                let goOn = try keys.withKey(start + number) { key throws(StoreError) -> Bool? in
                    try view.show(key, hashes[number], in: frame, body)
                }
                guard let goOn else { continue }
                left -= 1
                if !goOn || left == 0 { return false }
            }
        }
        return true
    }

    private func load(
        _ keys: KeyWindow, _ numbers: Range<Int>, _ view: ScanView,
        into hashes: inout [KeyHash]
    ) {
        hashes.removeAll(keepingCapacity: true)
        for number in numbers {
            let hash = keys.withKey(number) { view.hash($0) }
            hashes.append(hash)
            index.prefetch(hash)
        }
        for hash in hashes.prefix(Self.lookahead) {
            records.prefetchRecord(hash, lines: RecordLayout.shortLines)
        }
    }
}
