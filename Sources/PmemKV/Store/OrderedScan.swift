import CPmem

/// A scan over the ordered index.
///
/// A page of records is read from a leaf. A few of them at a time, if they are short, are verified
/// and copied inside one epoch, while the bytes of the next ones are on their way to the processor;
/// then body is given the copies, outside of any epoch. A long record is shown where it lies, its
/// extent pinned (OrderedScan+Entries). What is newer than the snapshot is looked for among what
/// that keeps.
///
/// Invariants:
/// - Of a record that is shown the trust was asked, and then whether a life had begun since the
///   page was read: it was the newest of its key at that moment. Whoever sees a bit that was set in
///   a later life sees that this life began, and the scan reads the page anew. With a number below
///   the snapshot's it is what that sees (``Snapshots``).
/// - A key is shown behind the one before it in order, so none is shown twice. When a record is
///   no longer what it was, or records of a page that was cut at the limit were gone, a new page
///   is read behind the last key that was looked at, and begins with a key that is looked for: the
///   scan gets ahead however often that key is overwritten.
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
    let view: ScanView
    let snapshots: Snapshots
    /// Records with a lower number, and none below the floor, are what the snapshot sees.
    private let number: SequenceNumber
    private let floor: SequenceNumber
    private let end: [UInt8]?
    private var reverse: Bool { view.reverse }
    var left: Int
    var page = OrderedPage()
    /// The page behind it, read when the end of this one comes near; its first records are on
    /// their way then.
    private var upcoming = OrderedPage()
    private var hasUpcoming = false
    var copies = ScanCopies()
    /// The extent that is pinned for a body, or was for the last one.
    var pinned: SegmentNumber?

    typealias Body = (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool

    init(_ ordered: OrderedIndex, _ view: ScanView, limit: Int) {
        self.ordered = ordered
        self.view = view
        snapshots = ordered.records.snapshots
        number = view.snapshot.number
        floor = view.table.floor
        records = ordered.records
        log = ordered.records.log
        gate = log.gate
        segments = log.segments
        geometry = log.geometry
        unsafe base = log.medium.base.map { unsafe UnsafeRawPointer($0) }
        end = view.end
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
                beginPrefetch()
            }
            hasUpcoming = false
            view.passed(before: start)
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
        // What a snapshot loses when it ends is not to be taken for what was not there: its mark is
        // set before any slot goes.
        try records.check(view.snapshot)
        let count = page.count
        // Where the next page begins within the range, all of this one lies in it.
        let checksEnd = end.map { !isInside(page.next, $0) } ?? false
        var number = 0
        while number < count {
            if count &- number <= Self.farAhead &+ ScanCopies.most { readUpcoming(checksEnd) }
            try copy(from: number)
            var outcome = Outcome.shown
            if copies.count > 0 {
                outcome = try showCopies(from: number, checksEnd, body)
                number &+= copies.count
            } else {
                outcome = try show(number, checksEnd, in: frame, body)
                number &+= 1
            }
            guard outcome == .shown else { return outcome }
        }
        return page.isCut ? .stale : .shown
    }

    // MARK: Copies

    /// Copies the next records, as far as they are short and sound, stay where they are, and are
    /// what the snapshot sees.
    private mutating func copy(from start: Int) throws(StoreError) {
        copies.removeAll()
        guard let base = unsafe base else { return }
        let visit = records.epochs.enter()
        defer { records.epochs.leave(visit) }
        try gate.checkReadable()
        let end = min(page.count, start &+ min(ScanCopies.most, left))
        for number in start..<end {
            unsafe prefetch(behind: number, base)
            guard page.isRecord(number),
                let record = unsafe record(at: page[number], base),
                record.fits, record.byteCount <= ScanCopies.longest,
                isSeen(record.sequence), records.mayBeShown(record),
                segments.livesBegun == page.lives
            else { break }
            copies.append(record)
        }
        // Once pages have been lost the records are looked at one by one.
        if records.hadFaults { copies.removeAll() }
    }

    /// The record at a location that is trusted; in an epoch, or pinned, it then stays.
    @inline(__always)
    func record(at location: Location, _ base: UnsafeRawPointer) -> RecordView? {
        SchedulingPoint.pass()
        guard ordered.isTrusted(location), let segment = segments.segment(of: location) else {
            return nil
        }
        return unsafe RecordView(
            base: base + location.offset, location: location,
            in: segments.bounds(ofExtentWith: segment))
    }

    /// Whether the newest record of a key is what the snapshot sees of it.
    @inline(__always)
    func isSeen(_ sequence: SequenceNumber) -> Bool {
        sequence.rawValue &- floor.rawValue < number.rawValue &- floor.rawValue
    }

    /// Whether an entry is a record that is still the newest of its key and has not gone.
    @inline(__always)
    func isNewest(_ number: Int) -> Bool {
        SchedulingPoint.pass()
        guard ordered.isTrusted(page[number]) else { return false }
        SchedulingPoint.pass()
        return segments.livesBegun == page.lives
    }

    private mutating func showCopies(
        from start: Int, _ checksEnd: Bool, _ body: Body
    ) throws(StoreError) -> Outcome {
        for number in 0..<copies.count {
            try gate.checkReadable()
            let key = copies.key(number)
            if checksEnd, isBehindEnd(key) { return .ended }
            let goOn = try key.withSpans(and: copies.value(number), body)
            left &-= 1
            if !goOn || left == 0 { return .ended }
            letGo(start &+ number, key)
        }
        copies.noteLast(copies.count &- 1)
        return .shown
    }

    /// Others may have superseded what was shown, or body itself.
    @inline(__always)
    func letGo(_ number: Int, _ key: ByteView) {
        if snapshots.keptCount > 0, !ordered.isTrusted(page[number]) { view.letGo(key) }
    }

    // MARK: Looking ahead

    /// Records ahead of the one looked at whose first lines are on their way, and those of which
    /// all lines are: finding out where a page of memory lies takes as long as loading a line.
    private static let farAhead = 16
    private static let ahead = 8

    /// Starts to load the records of a page behind one of them, and of the page behind.
    @inline(__always)
    private func prefetch(behind number: Int, _ base: UnsafeRawPointer) {
        if let offset = offset(ofAhead: number &+ Self.farAhead) {
            unsafe cpmem_prefetch(base + offset)
        }
        if let offset = offset(ofAhead: number &+ Self.ahead) {
            unsafe prefetchRest(base + offset)
        }
    }

    /// Starts to load the first records of a page that was read when it was needed.
    private func beginPrefetch() {
        guard let base = unsafe base else { return }
        for number in 0..<min(page.count, Self.farAhead) {
            unsafe cpmem_prefetch(base + page[number].offset)
        }
        for number in 0..<min(page.count, Self.ahead) {
            unsafe prefetchRest(base + page[number].offset)
        }
    }

    @inline(__always)
    private func prefetchRest(_ record: UnsafeRawPointer) {
        for line in 1..<RecordLayout.shortLines {
            unsafe cpmem_prefetch(record + line &* Geometry.line)
        }
    }

    /// Where a record of this page or the one behind begins; nil where none is known.
    @inline(__always)
    private func offset(ofAhead number: Int) -> Int? {
        if number < page.count { return page[number].offset }
        let beyond = number &- page.count
        return hasUpcoming && beyond < upcoming.count ? upcoming[beyond].offset : nil
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
