extension PmemStore {
    /// Calls body with keys and values of a range in bytewise key order, until it returns false.
    ///
    /// What is shown is what there was when the scan began, as in a ``snapshot()``, whatever is
    /// written meanwhile, by body as well: every write that had returned, none that begins later, a
    /// batch as a whole or not at all. What others overwrite ahead of the scan is kept for it until
    /// it has been shown; what body overwrites of what it was shown is not.
    ///
    /// The spans are valid during that call only, and what they show stays as it is. Body may use
    /// the store, writes included, but not close it; `close()` on another thread waits for body,
    /// and then the scan throws `closed`. A body that runs long keeps at most the segment of the
    /// value from being reused.
    ///
    /// - Throws: what body throws; `closed`; `invalidArgument` for a negative limit;
    ///   `snapshotTooOld` when what was
    ///   kept for the scan would have filled the pool; `corrupt` or `media` for a damaged record of
    ///   the range, and for one anywhere in the store that is too damaged to tell its key. With the
    ///   ordered index that may be an older record of a key, by which its place is known; opening
    ///   the pool again helps then.
    /// - Complexity: the moment takes O(shards of the index), some hundred nanoseconds, and waits
    ///   for writes under way. For n keys in the store, with the ordered index O(log n) and O(1) an
    ///   entry, and memory of some kilobytes. The hash index keeps no order: a pass over all its
    ///   records, O(n), finds the first keys of the range, as many as 12 MiB hold (with their
    ///   sorting below 64 MiB) or `limit` asks for; those behind take another pass, and so on.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try showEntries(of: range, reverse: reverse, limit: limit, body)
    }

    public func showEntries(
        of range: KeyRange, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        guard let limit = try checked(limit) else { return }
        let records = records
        try engine.scan(range, of: { records.unnamedTable }, reverse: reverse, limit: limit, body)
    }

    /// Entries that a scan shows at most; nil where that is none.
    func checked(_ limit: Int?) throws(StoreError) -> Int? {
        guard let limit else { return .max }
        guard limit >= 0 else {
            throw StoreError(.invalidArgument, "a scan cannot show \(limit) entries")
        }
        if limit == 0 { try engine.gate.checkReadable() }
        return limit > 0 ? limit : nil
    }
}
