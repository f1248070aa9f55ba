/// What a scan goes through: the keys of a range of a table as a snapshot sees them, in one order.
///
/// Invariant: what the scan has shown, or passed, is not asked for again. So a snapshot of its own
/// needs it no more.
struct ScanView {
    let snapshot: LivingSnapshot
    let range: KeyRange
    let table: TableState
    let reverse: Bool
    /// Whether the snapshot is this scan's, and ends with it.
    private let isOwn: Bool
    private let space: Space
    private var records: RecordIndex { space.records }

    init(
        _ snapshot: LivingSnapshot, _ range: KeyRange, of table: TableState, reverse: Bool,
        isOwn: Bool, _ space: Space
    ) {
        self.snapshot = snapshot
        self.range = range
        self.table = table.past
        self.reverse = reverse
        self.isOwn = isOwn
        self.space = space
    }

    /// The bound at which the scan begins, and that at which it ends.
    var start: [UInt8]? { reverse ? range.to : range.from }
    var end: [UInt8]? { reverse ? range.from : range.to }

    @inline(__always)
    func hash(_ key: ByteView) -> KeyHash { records.hash(table.key(key)) }

    /// Shows a key, if the snapshot sees it: what body answers; nil when it does not.
    func show(
        _ key: ByteView, _ hash: KeyHash, in frame: borrowing CallbackFrame,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) -> Bool? {
        let goOn = try records.lend(table.key(key), hash, seenBy: snapshot, in: frame) {
            found throws(StoreError) in
            try key.withSpans(and: found.value, body)
        }
        if isOwn { space.letGo(table.key(key), hash, seenBy: snapshot) }
        return goOn
    }

    /// A record has been shown that others, or body itself, have superseded by now.
    func letGo(_ key: ByteView) {
        if isOwn { space.letGo(table.key(key), hash(key), seenBy: snapshot) }
    }

    /// All keys before this one, in the order of the scan, are done with.
    func passed(before key: ByteView) {
        // Most scans end before anybody writes.
        guard isOwn, records.snapshots.keptCount > 0 else { return }
        passed(
            KeyRange(
                from: reverse ? range.from : key.array, to: reverse ? key.array + [0] : range.to))
    }

    /// The scan goes on at a bound.
    func passed(before bound: [UInt8]?) {
        guard isOwn, let bound, records.snapshots.keptCount > 0 else { return }
        passed(KeyRange(from: reverse ? range.from : bound, to: reverse ? bound : range.to))
    }

    private func passed(_ rest: KeyRange) {
        if !space.gate.isForked { records.snapshots.narrow(snapshot, to: rest) }
    }
}
