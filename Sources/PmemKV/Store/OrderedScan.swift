import CPmem

/// A scan over the ordered index.
///
/// A page of records is read from a leaf. A few of them at a time, if they are short, are verified
/// and copied inside one epoch, while the bytes of the next ones are on their way to the processor;
/// then body is given the copies, outside of any epoch. A long record is shown where it lies, its
/// extent pinned (OrderedScan+Entries).
///
/// Invariants:
/// - Before body is given a record, the trust in it is asked, and then the life of its extent: what
///   is shown is the newest of its key. A bit that was set in a later life comes with that life's
///   salt, which is not the one that the page noted.
/// - A key is shown behind the one before it in order, so none is shown twice. When a record is
///   no longer what it was, or records of a page that was cut at the limit were gone, a new page
///   is read behind the last key that was shown, and begins with a key that is looked for: the scan
///   gets ahead however often that key is overwritten.
struct OrderedScan: ~Copyable {
    let ordered: OrderedIndex
    let records: RecordIndex
    let log: Log
    let segments: Segments
    let geometry: Geometry
    let reverse: Bool
    let end: [UInt8]?
    var left: Int
    var page = OrderedPage()
    /// The page behind it, read when the end of this one comes near; its first records are on
    /// their way then.
    private var upcoming = OrderedPage()
    private var hasUpcoming = false
    var copies = ScanCopies()
    var pinned: SegmentNumber?

    /// Records ahead of the one copied that are on their way to the processor.
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
                for number in 0..<min(page.entries.count, Self.lookahead) {
                    prefetch(page.entries[number])
                }
            }
            hasUpcoming = false
            switch try showPage(in: frame, body) {
            case .ended: return
            case .stale:
                if let key = copies.lastKey { start = reverse ? key : key + [0] }
                isRepeated = true
                hasUpcoming = false
            case .shown:
                guard let next = page.next else { return }
                start = next
                isRepeated = false
            }
        }
    }

    enum Outcome {
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
        var number = 0
        while number < count {
            if count &- number <= 2 &* Self.lookahead { readUpcoming(checksEnd) }
            try copy(from: number)
            var outcome = Outcome.shown
            if copies.count > 0 {
                outcome = try showCopies(from: number, checksEnd, body)
                number &+= copies.count
            } else {
                outcome = try show(page.entries[number], checksEnd, in: frame, body)
                number &+= 1
            }
            guard outcome == .shown else { return outcome }
        }
        return page.isCut ? .stale : .shown
    }

    // MARK: Copies

    /// Copies the next records, as far as they are short, sound and still the newest.
    private mutating func copy(from start: Int) throws(StoreError) {
        copies.removeAll()
        guard let base = unsafe log.medium.base else { return }
        try records.epochs.reading { () throws(StoreError) in
            try records.gate.checkReadable()
            let end = min(page.entries.count, start &+ min(ScanCopies.most, left))
            for number in start..<end {
                let entry = page.entries[number]
                prefetch(number &+ Self.lookahead)
                guard entry.kind == .record, let bounds = newest(entry) else { break }
                let record = unsafe RecordView(
                    base: base + entry.location.offset, location: entry.location, in: bounds)
                guard record.fits, record.byteCount <= ScanCopies.longest,
                    records.mayBeShown(record)
                else { break }
                copies.append(record)
            }
            // Once pages have been lost the records are looked at one by one.
            if records.hadFaults { copies.removeAll() }
        }
    }

    /// The extent of a record that is still the newest of its key and has not gone; nil for any
    /// other.
    @inline(__always)
    func newest(_ entry: OrderedPage.Entry) -> ExtentBounds? {
        SchedulingPoint.pass()
        guard ordered.isTrusted(entry.location),
            let segment = geometry.segment(of: entry.location)
        else { return nil }
        let bounds = log.bounds(ofExtent: segments.role(segment).first)
        return bounds.salt == entry.salt ? bounds : nil
    }

    private mutating func showCopies(
        from start: Int, _ checksEnd: Bool, _ body: Body
    ) throws(StoreError) -> Outcome {
        for number in 0..<copies.count {
            // Others may have written meanwhile, or body itself.
            guard newest(page.entries[start &+ number]) != nil else {
                if number > 0 { copies.noteLast(number &- 1) }
                return .stale
            }
            try records.gate.checkReadable()
            let key = copies.key(number)
            if checksEnd, isBehindEnd(key) { return .ended }
            let value = copies.value(number)
            let goOn = key.withSpan { key in value.withSpan { body(key, $0) } }
            left &-= 1
            if !goOn || left == 0 { return .ended }
        }
        copies.noteLast(copies.count &- 1)
        return .shown
    }

    // MARK: Looking ahead

    /// Starts to load a record of this page or the next.
    @inline(__always)
    private func prefetch(_ number: Int) {
        let count = page.entries.count
        if number < count {
            prefetch(page.entries[number])
        } else if hasUpcoming, number &- count < upcoming.entries.count {
            prefetch(upcoming.entries[number &- count])
        }
    }

    @inline(__always)
    private func prefetch(_ entry: OrderedPage.Entry) {
        log.prefetchRecord(at: entry.location, lines: Self.lines)
    }

    /// Reads the next page, unless it lies behind the end or beyond what is asked for.
    private mutating func readUpcoming(_ checksEnd: Bool) {
        guard !hasUpcoming, !checksEnd, left > 2 &* Self.lookahead, let next = page.next else {
            return
        }
        ordered.read(
            from: next, ascending: !reverse, limit: left, copiesFirst: false, into: &upcoming)
        hasUpcoming = true
    }

    private func isInside(_ next: [UInt8]?, _ end: [UInt8]) -> Bool {
        guard let next else { return false }
        return next.withByteView {
            let order = $0.order(against: end)
            return reverse ? order > 0 : order <= 0
        }
    }

    @inline(__always)
    func isBehindEnd(_ key: ByteView) -> Bool {
        end.map { (key.order(against: $0) < 0) == reverse } ?? false
    }
}
