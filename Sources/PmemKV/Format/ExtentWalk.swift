/// What the records of an extent are.
struct ExtentContents {
    /// The committed records, in the order of their places.
    var entries: [SummaryEntry] = []
    /// Where the committed records end.
    var end = Units.zero
    /// Places where a durable record is unreadable, header and key included.
    var lost: [Units] = []
    /// Records whose key is intact and whose value is not.
    var damagedValues: [Units] = []
    var usedSummary = false
    var maximumSequence = SequenceNumber.zero
    /// What the log of an open extent ends with when that belongs to a batch which goes on
    /// elsewhere, or was cut short.
    private(set) var unfinished: UnfinishedBatch?
    /// Whether that was committed; see ``commitUnfinished()``.
    private(set) var holdsPartOfBatch = false

    /// Counts in what the extent ends with: the rest of its batch was found.
    mutating func commitUnfinished() {
        guard let batch = unfinished else { return }
        entries += batch.entries
        end = batch.end
        unfinished = nil
        holdsPartOfBatch = true
    }

    fileprivate mutating func endInside(_ batch: [SummaryEntry], _ last: SequenceNumber) {
        guard let final = batch.last else { return }
        unfinished = UnfinishedBatch(
            entries: batch, end: final.offset + final.units, last: last)
    }

    /// Whether a summary of the records fits behind them. Whoever appends leaves room for it:
    /// records without it may have good checksums and are still nobody's.
    func leavesRoomForSummary(capacity: Units) -> Bool {
        end + Summary.units(entries: entries.count) <= capacity
    }
}

/// Records at the end of an extent of which the batch has more that are not there.
struct UnfinishedBatch {
    let entries: [SummaryEntry]
    /// Where the last of them ends.
    let end: Units
    /// Number of the batch's last record.
    let last: SequenceNumber
}

/// The parser of a log extent: record by record. Hostile bytes are expected everywhere.
///
/// Everything before `proven` was durable (a seal or the tail word of a clean close says so);
/// behind it a record was durable if a later one says so, and is a torn tail otherwise (I10, I14).
/// Of a batch all records count or none (I11): in a sealed extent all do; what an open one ends
/// with may go on in another.
struct ExtentWalk {
    private let bytes: ByteView
    private let limit: Units
    private let proven: Units
    private let isSealed: Bool
    private let start: Location
    private let salt: UInt64
    private let seed: UInt64
    private var contents = ExtentContents()
    private var batch: [SummaryEntry] = []
    private var batchNext: (sequence: SequenceNumber, remaining: UInt32)?

    private init(_ bytes: ByteView, of extent: Extent, at start: Location, seed: UInt64) {
        self.bytes = bytes
        let whole = Units(bytes.count / Geometry.line)
        limit = extent.sealedEnd.map { min($0, whole) } ?? whole
        proven = extent.sealedEnd ?? extent.provenEnd
        isSealed = extent.sealedEnd != nil
        self.start = start
        salt = extent.salt
        self.seed = seed
    }

    /// Walks the bytes of an extent from some record on.
    ///
    /// - Parameters:
    ///   - bytes: from the start of the extent, as far as records may lie.
    ///   - start: where the extent begins.
    ///   - seed: of the key hash.
    static func contents(
        of bytes: ByteView, _ extent: Extent, at start: Location, from first: Units = .zero,
        seed: UInt64
    ) -> ExtentContents {
        var walk = ExtentWalk(bytes, of: extent, at: start, seed: seed)
        walk.run(from: first)
        if let next = walk.batchNext {
            let last = next.sequence + Int(next.remaining)
            walk.contents.endInside(walk.batch, last)
        }
        return walk.contents
    }

    /// The record at a place of an extent's bytes; its lengths are checked by whoever uses them.
    static func view(
        in bytes: ByteView, at place: Units, start: Location, salt: UInt64
    ) -> RecordView {
        unsafe RecordView(
            base: bytes.dropFirst(place.bytes).baseAddress.unsafelyUnwrapped,
            location: start + place,
            in: ExtentBounds(salt: salt, end: start.offset + bytes.count))
    }

    /// The record at this place when its header and key verify and its lengths fit.
    private func record(at place: Units) -> RecordView? {
        guard place < limit else { return nil }
        let view = Self.view(in: bytes, at: place, start: start, salt: salt)
        guard view.kind != nil, view.units <= limit - place, view.verifyHeader(),
            view.sequence < .end
        else { return nil }
        return view
    }

    private mutating func run(from first: Units) {
        var position = first
        contents.end = first
        while position < limit {
            guard let view = record(at: position) else {
                guard let next = resume(after: position) else { return }
                position = next
                continue
            }
            if !view.verifyValue() {
                guard wasDurable(position, behind: position + view.units) else { return }
                contents.damagedValues.append(position)
            }
            take(view, at: position)
            position = position + view.units
        }
    }

    /// Whether a record at `position` had been durable before the crash.
    private func wasDurable(_ position: Units, behind end: Units) -> Bool {
        position < proven || hasProof(of: position, from: end)
    }

    /// Whether a later record was written when `position` was already durable.
    private func hasProof(of position: Units, from first: Units) -> Bool {
        guard first < limit else { return false }
        return (first.count..<limit.count).contains {
            record(at: Units($0)).map { $0.durableEnd > position } ?? false
        }
    }

    /// Where to go on after an unreadable place; nil when the log ends there.
    private mutating func resume(after position: Units) -> Units? {
        let one = Units(1)
        guard wasDurable(position, behind: position + one) else { return nil }
        contents.lost.append(position)
        var place = position + one
        while place < limit, record(at: place) == nil { place = place + one }
        return place
    }

    /// Counts a record in; one of a batch only when the whole batch has been seen.
    private mutating func take(_ view: RecordView, at position: Units) {
        guard let kind = view.kind else { return }
        let entry = SummaryEntry(
            hash: view.tableKey.hash(seed: seed), sequence: view.sequence, offset: position,
            units: view.units, kind: kind, isExtended: view.isExtended)
        contents.maximumSequence = max(contents.maximumSequence, view.sequence)
        let remaining = view.batchRemaining
        if let next = batchNext, next.sequence != view.sequence || next.remaining != remaining {
            batch.removeAll()
        }
        batch.append(entry)
        guard remaining == 0 || isSealed else {
            batchNext = (view.sequence + 1, remaining - 1)
            return
        }
        batchNext = nil
        contents.entries.append(contentsOf: batch)
        batch.removeAll(keepingCapacity: true)
        contents.end = position + view.units
    }
}
