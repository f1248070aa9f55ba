/// What a store held at one moment, whatever is written, compacted or removed since.
///
/// A snapshot stands in DRAM alone: it ends with the store, with ``end()``, or when nobody refers
/// to it any more. While it lives, what it sees and is superseded is kept, some 70 bytes of DRAM
/// and the record's room in the pool each (``Statistics/keptBytes``). When the pool would be full
/// because of that, the oldest snapshot ends, and reading it throws `snapshotTooOld`: a snapshot
/// that somebody forgot stops no writer.
///
/// All methods may be called from any thread at any time. Reads of keys wait for no writer, but
/// where a batch is becoming visible. It keeps the store open that it is of.
public final class Snapshot: Sendable {
    private let store: PmemStore
    private let state: LivingSnapshot
    private var records: RecordIndex { store.records }

    init(of store: PmemStore) throws(StoreError) {
        self.store = store
        state = try store.records.beginCountedSnapshot()
    }

    /// For a cursor of its own: keeps nothing outside the range, and counts nothing.
    init(of store: PmemStore, _ range: KeyRange) throws(StoreError) {
        self.store = store
        state = try store.records.beginSnapshot(of: range)
    }

    deinit { end() }

    var isOrdered: Bool { store.engine.ordered != nil }

    /// Refuses where reading it would be refused.
    func check() throws(StoreError) {
        try store.engine.gate.checkReadable()
        try records.check(state)
    }

    /// Ends the snapshot: what only it saw can be reclaimed. Reading it throws `snapshotTooOld`
    /// from now on. Ending twice does nothing.
    ///
    /// - Complexity: O(shards of the index, and all records that are kept) when any are kept for
    ///   this one, else O(1).
    public func end() { store.engine.space.end(state) }

    /// Keys in the snapshot. O(1); to be asked at any time, also when it has ended.
    public var count: Int { state.count ?? 0 }

    /// The value of a key, copied; nil when there was no such key.
    ///
    /// - Throws: `snapshotTooOld`, and what ``PmemStore/get(_:)`` throws.
    /// - Complexity: O(1) plus the bytes; one copy.
    @inlinable
    public func get(_ key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try key.withStoreBytes { key throws(StoreError) in try get(key) }
    }

    /// The same for a span.
    public func get(_ key: RawSpan) throws(StoreError) -> [UInt8]? {
        try read(key) { $0.value.array }
    }

    /// Gives the value of a key to body without copying it; nil when there was no such key. As with
    /// ``PmemStore/withValue(forKey:_:)``.
    ///
    /// - Throws: `snapshotTooOld`, and what that throws.
    @inlinable
    public func withValue<R>(
        forKey key: some StoreBytes, _ body: (RawSpan) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        var result: R?
        try key.withStoreBytes { key throws(StoreError) in
            try borrowValue(key) { value throws(StoreError) in result = try body(value) }
        }
        return result
    }

    @usableFromInline
    func borrowValue(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try store.borrowValue(key, seenBy: state, body)
    }

    /// Whether there was such a key. Its value is verified, too.
    ///
    /// - Throws: what ``get(_:)`` throws.
    @inlinable
    public func contains(_ key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { key throws(StoreError) in try containsKey(key) }
    }

    @usableFromInline
    func containsKey(_ key: RawSpan) throws(StoreError) -> Bool {
        try read(key) { _ in true } ?? false
    }

    private func read<R>(
        _ key: RawSpan, _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try key.withByteView { key throws(StoreError) in
            try store.engine.check(key)
            return try records.withRecord(key, records.hash(key), seenBy: state, body)
        }
    }

    /// Calls body with the entries of a range in order, until it returns false or `limit` entries
    /// were shown. As with ``PmemStore/scan(_:reverse:limit:_:)``; each time the same.
    ///
    /// - Throws: `snapshotTooOld`, and what that throws; what body throws.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try check()
        try store.scan(range, reverse: reverse, limit: limit, seenBy: state, body)
    }
}

extension PmemStore {
    /// A snapshot of the store as it is now: every write that has returned is in it, and none that
    /// begins later; a batch is in it as a whole or not at all.
    ///
    /// While no snapshot lives it costs writes nothing to speak of.
    ///
    /// - Throws: `closed`.
    /// - Complexity: O(shards of the index), some microseconds. Waits for writes under way, and
    ///   other writes for that: on media with slow drains for one of them.
    public func snapshot() throws(StoreError) -> Snapshot { try Snapshot(of: self) }
}
