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
@safe
struct OrderedScan: ~Copyable {
    let ordered: OrderedIndex
    let records: RecordIndex
    let log: Log
    let gate: Gate
    let segments: Segments
    let geometry: Geometry
    /// Where the pool is mapped, which it stays for as long as a callback runs; nil when it is not.
    let base: UnsafeRawPointer?
    let reverse: Bool
    let end: [UInt8]?
    var left: Int
    var page = OrderedPage()
    /// The page behind it, read when the end of this one comes near; its first records are on
    /// their way then.
    private var upcoming = OrderedPage()
    private var hasUpcoming = false
    var copies = ScanCopies()
    /// The extent that is pinned for a body, or was for the last one.
    var pinned: SegmentNumber?

    typealias Body = (_ key: RawSpan, _ value: RawSpan) -> Bool

    init(_ ordered: OrderedIndex, _ range: KeyRange, reverse: Bool, limit: Int) {
        self.ordered = ordered
        records = ordered.records
        log = ordered.records.log
        gate = log.gate
        segments = log.segments
        geometry = log.geometry
        unsafe base = log.medium.base.map { unsafe UnsafeRawPointer($0) }
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
            try gate.checkReadable()
            if hasUpcoming {
                swap(&page, &upcoming)
            } else {
                ordered.read(
                    from: start, ascending: !reverse, limit: isRepeated ? .max : left,
                    copiesFirst: isRepeated, into: &page)
                prefetch(from: 0)
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
        let count = page.count
        // Where the next page begins within the range, all of this one lies in it.
        let checksEnd = end.map { !isInside(page.next, $0) } ?? false
        var number = 0
        while number < count {
            if count &- number <= 2 &* ScanCopies.most { readUpcoming(checksEnd) }
            prefetch(from: number &+ ScanCopies.most)
            try copy(from: number)
            var outcome = Outcome.shown
            if copies.count > 0 {
                outcome = try showCopies(from: number, checksEnd, body)
                number &+= copies.count
            } else {
                outcome = try show(page[number], checksEnd, in: frame, body)
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
        guard let base = unsafe base else { return }
        try records.epochs.reading { () throws(StoreError) in
            try gate.checkReadable()
            let end = min(page.count, start &+ min(ScanCopies.most, left))
            for number in start..<end {
                let entry = page[number]
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
        let bounds = segments.bounds(ofExtentWith: segment)
        return bounds.salt == entry.salt ? bounds : nil
    }

    private mutating func showCopies(
        from start: Int, _ checksEnd: Bool, _ body: Body
    ) throws(StoreError) -> Outcome {
        for number in 0..<copies.count {
            // Others may have written meanwhile, or body itself.
            guard newest(page[start &+ number]) != nil else {
                if number > 0 { copies.noteLast(number &- 1) }
                return .stale
            }
            try gate.checkReadable()
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

    /// Starts to load the next records that are copied at a time, of this page and the one behind.
    ///
    /// The first lines go first: finding out where a page of memory lies takes as long as loading a
    /// line of it, and only what stands close together in the program overlaps.
    private func prefetch(from start: Int) {
        guard let base = unsafe base else { return }
        for number in start..<(start &+ ScanCopies.most) {
            guard let offset = offset(ofAhead: number) else { break }
            unsafe cpmem_prefetch(base + offset)
        }
        for number in start..<(start &+ ScanCopies.most) {
            guard let offset = offset(ofAhead: number) else { break }
            for line in 1..<RecordLayout.shortLines {
                unsafe cpmem_prefetch(base + offset + line &* Geometry.line)
            }
        }
    }

    /// Where a record of this page or the one behind begins; nil where none is known.
    @inline(__always)
    private func offset(ofAhead number: Int) -> Int? {
        if number < page.count { return page[number].location.offset }
        let beyond = number &- page.count
        return hasUpcoming && beyond < upcoming.count ? upcoming[beyond].location.offset : nil
    }

    /// Reads the next page, unless it lies behind the end or beyond what is asked for.
    private mutating func readUpcoming(_ checksEnd: Bool) {
        guard !hasUpcoming, !checksEnd, left > 2 &* ScanCopies.most, let next = page.next else {
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
