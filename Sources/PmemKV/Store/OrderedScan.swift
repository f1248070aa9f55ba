import CPmem

/// A scan over the ordered index.
///
/// A page of records is read from a leaf; their bytes are on their way to the processor while the
/// ones before are shown. A record is shown where it lies, without a look into the hash index, if
/// it is still the newest of its key: its extent is pinned first, then the trust is asked, then the
/// life of the extent.
///
/// Invariants:
/// - Whoever empties an extent takes the trust back from all that lives there before it looks for
///   pins. So a record that is trusted behind a pin, with a full fence between, stays.
/// - The trust is asked before the life: a bit that was set in a later life comes with that life's
///   salt, which is not the one that the page noted.
/// - A key is shown behind the one before it in order, so none is shown twice. When a record is
///   no longer what it was, or records of a page that was cut at the limit were gone, a new page
///   is read behind the last key that was shown, and begins with a key that is looked for: the scan
///   gets ahead however often that key is overwritten.
struct OrderedScan: ~Copyable {
    private let ordered: OrderedIndex
    private let records: RecordIndex
    private let log: Log
    private let segments: Segments
    private let geometry: Geometry
    private let reverse: Bool
    private let end: [UInt8]?
    private var left: Int
    private var page = OrderedPage()
    /// The page behind it, read when the end of this one comes near; its first records are on
    /// their way then.
    private var upcoming = OrderedPage()
    private var hasUpcoming = false
    /// The last key that was shown.
    private var last = KeyNote()
    private var pinned: SegmentNumber?

    /// Records ahead of the one shown that are on their way to the processor.
    private static let lookahead = 8
    /// Lines of each of them: a short record is wholly on its way before it is looked at.
    private static let lines = 4

    typealias Body = (_ key: RawSpan, _ value: RawSpan) -> Bool

    init(_ ordered: OrderedIndex, _ range: KeyRange, reverse: Bool, limit: Int) {
        self.ordered = ordered
        records = ordered.records
        log = ordered.records.log
        segments = log.segments
        geometry = log.geometry
        self.reverse = reverse
        end = reverse ? range.from : range.to
        left = limit
    }

    /// Shows the records of the range until body has enough of them.
    mutating func run(
        from start: [UInt8]?, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) {
        if let unknown = ordered.unknownKey { throw unknown }
        var start = start
        var isRepeated = false
        while true {
            try records.gate.checkReadable()
            if hasUpcoming {
                swap(&page, &upcoming)
            } else {
                ordered.read(
                    from: start, ascending: !reverse, limit: isRepeated ? .max : left,
                    copiesFirst: isRepeated, into: &page)
                for number in 0..<min(page.entries.count, Self.lookahead) { prefetch(number) }
            }
            hasUpcoming = false
            switch try showPage(in: frame, body) {
            case .ended: return
            case .stale:
                if let key = last.key { start = reverse ? key : key + [0] }
                isRepeated = true
                hasUpcoming = false
            case .shown:
                guard let next = page.next else { return }
                start = next
                isRepeated = false
            }
        }
    }

    private enum Outcome {
        case shown
        /// What follows is to be read anew.
        case stale
        case ended
    }

    private mutating func showPage(
        in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        let count = page.entries.count
        // Where the next page begins within the range, all of this one lies in it.
        let checksEnd = end.map { !isInside(page.next, $0) } ?? false
        for number in 0..<count {
            if number &+ Self.lookahead < count {
                prefetch(number &+ Self.lookahead)
            } else {
                lookBeyond(number &+ Self.lookahead &- count, checksEnd)
            }
            let entry = page.entries[number]
            let outcome =
                switch entry.kind {
                case .record: try showRecord(entry, checksEnd, in: frame, body)
                case .key: try showKey(of: entry, in: frame, body)
                case .unreadable: throw log.damage(at: entry.location)
                }
            guard outcome == .shown else { return outcome }
        }
        return page.isCut ? .stale : .shown
    }

    @inline(__always)
    private func prefetch(_ number: Int) {
        log.prefetchRecord(at: page.entries[number].location, lines: Self.lines)
    }

    /// Starts to load a record of the next page, which is read first where none was yet.
    @inline(never)
    private mutating func lookBeyond(_ number: Int, _ checksEnd: Bool) {
        if !hasUpcoming {
            // What lies beyond this page is behind the end, or more than is asked for.
            guard number == 0, !checksEnd, left > Self.lookahead, let next = page.next else {
                return
            }
            ordered.read(
                from: next, ascending: !reverse, limit: left, copiesFirst: false, into: &upcoming)
            hasUpcoming = true
        }
        guard number < upcoming.entries.count else { return }
        log.prefetchRecord(at: upcoming.entries[number].location, lines: Self.lines)
    }

    private func isInside(_ next: [UInt8]?, _ end: [UInt8]) -> Bool {
        guard let next else { return false }
        return next.withByteView {
            let order = $0.order(against: end)
            return reverse ? order > 0 : order <= 0
        }
    }

    @inline(__always)
    private func isBehindEnd(_ key: ByteView) -> Bool {
        end.map { (key.order(against: $0) < 0) == reverse } ?? false
    }

    // MARK: One entry

    @inline(__always)
    private mutating func showRecord(
        _ entry: OrderedPage.Entry, _ checksEnd: Bool, in frame: borrowing CallbackFrame,
        _ body: Body
    ) throws(StoreError) -> Outcome {
        try records.gate.checkReadable()
        guard let base = unsafe log.medium.base else {
            return try showCopy(of: entry, body)
        }
        guard let segment = geometry.segment(of: entry.location) else { return .stale }
        let extent = segments.role(segment).first
        if extent != pinned {
            frame.pin(extent.rawValue)
            pinned = extent
            cpmem_fence_seq_cst()
        }
        SchedulingPoint.pass()
        guard ordered.isTrusted(entry.location) else { return .stale }
        let bounds = log.bounds(ofExtent: segments.role(segment).first)
        guard bounds.salt == entry.salt else { return .stale }
        let record = unsafe RecordView(
            base: base + entry.location.offset, location: entry.location, in: bounds)
        guard records.mayBeShown(record) else { throw log.damage(record) }
        if checksEnd, isBehindEnd(record.key) { return .ended }
        last.take(record.key)
        let goOn = record.key.withSpan { key in record.value.withSpan { body(key, $0) } }
        try records.checkStillThere(record)
        return hasShown(goOn)
    }

    /// The same where reading takes a system call and memory anyway.
    @inline(never)
    private mutating func showCopy(
        of entry: OrderedPage.Entry, _ body: Body
    ) throws(StoreError) -> Outcome {
        typealias Copy = (key: [UInt8], value: [UInt8])
        let copy = try records.epochs.reading { () throws(StoreError) -> Copy? in
            try records.gate.checkReadable()
            guard ordered.isTrusted(entry.location),
                log.bounds(of: entry.location)?.salt == entry.salt
            else { return nil }
            return try log.withRecord(at: entry.location) { record throws(StoreError) in
                guard record.isSound else { throw log.damage(record) }
                return (record.key.array, record.value.array)
            }
        }
        guard let (key, value) = copy else { return .stale }
        return key.withByteView { key in
            if isBehindEnd(key) { return .ended }
            last.take(key)
            return hasShown(
                value.withByteView { value in
                    key.withSpan { key in value.withSpan { body(key, $0) } }
                })
        }
    }

    /// An entry whose key has to be looked for; it may be gone.
    @inline(never)
    private mutating func showKey(
        of entry: OrderedPage.Entry, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        let key = page.withKey(of: entry) { $0.array }
        // The record that is found takes the place of the one that is pinned.
        pinned = nil
        return try key.withByteView { key throws(StoreError) in
            if isBehindEnd(key) { return .ended }
            let goOn = try records.lend(key, records.hash(key), in: frame) { found in
                key.withSpan { key in found.value.withSpan { body(key, $0) } }
            }
            guard let goOn else { return .shown }
            last.take(key)
            return hasShown(goOn)
        }
    }

    @inline(__always)
    private mutating func hasShown(_ goOn: Bool) -> Outcome {
        left &-= 1
        return goOn && left > 0 ? .shown : .ended
    }
}
