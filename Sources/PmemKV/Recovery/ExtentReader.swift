import CPmem

/// What a walk over an extent found.
struct ExtentContents {
    var entries: [cpmem_summary_entry] = []
    /// End of the committed records in units.
    var endUnits = 0
    /// Units where a durable record is unreadable, header and key included.
    var lost: [Int] = []
    /// Units of records whose key is intact and whose value is not.
    var damagedValues: [Int] = []
    var usedSummary = false
    var maximumSequence: UInt64 = 0
}

/// Reads the records of extents; hostile bytes are expected everywhere.
struct ExtentReader {
    let engine: Engine
    init(_ engine: Engine) { self.engine = engine }

    private var geometry: Geometry { engine.geometry }

    /// The records of a sealed extent: its summary, or a walk when that is damaged.
    func sealedEntries(_ segment: Int) throws(StoreError) -> [cpmem_summary_entry] {
        let state = engine.segments.states[segment]
        let contents = try sealed(segment, endUnits: Int(state.endUnits))
        guard contents.lost.isEmpty else {
            throw damage(segment, contents.lost[0])
        }
        return contents.entries
    }

    func damage(_ segment: Int, _ units: Int) -> StoreError {
        StoreError(
            .corrupt,
            """
            a durable record at offset \(geometry.offset(ofSegment: segment) + units * 64) is \
            unreadable, so the newest value of some key is unknown; 'pmemkv repair' salvages \
            the rest
            """)
    }

    func sealed(_ segment: Int, endUnits: Int) throws(StoreError) -> ExtentContents {
        let state = engine.segments.states[segment]
        let capacity = state.life.span * geometry.segmentUnits
        let summary = try engine.medium.withBytes(
            at: geometry.offset(ofSegment: segment) + endUnits * 64,
            count: (capacity - endUnits) * 64
        ) { bytes -> ExtentContents? in
            guard let view = SummaryView(bytes, salt: state.salt, endUnits: endUnits) else {
                return nil
            }
            var contents = ExtentContents()
            contents.entries = Array(view.entries)
            contents.endUnits = endUnits
            contents.usedSummary = true
            contents.maximumSequence = view.entries.reduce(0) { max($0, $1.sequence) }
            return contents
        }
        if let summary { return summary }
        return try walk(segment, from: 0, limit: endUnits, proven: endUnits)
    }

    /// Walks an extent that was not sealed, up to where its last committed record ends.
    func open(_ segment: Int, from: Int = 0) throws(StoreError) -> ExtentContents {
        let capacity = engine.segments.states[segment].life.span * geometry.segmentUnits
        return try walk(
            segment, from: from, limit: capacity,
            proven: engine.segments.states[segment].provenUnits)
    }

    /// Walks record by record. Everything before `proven` was durable (a seal or the tail word of
    /// a clean close says so); behind it a record was durable if a later one says so, and is a
    /// torn tail otherwise (I10, I14).
    private func walk(
        _ segment: Int, from: Int, limit: Int, proven: Int
    ) throws(StoreError) -> ExtentContents {
        let offset = geometry.offset(ofSegment: segment)
        return try engine.medium.withBytes(at: offset, count: limit * 64) { bytes in
            var walk = ExtentWalk(
                bytes: bytes, limit: limit, proven: proven,
                firstLocation: geometry.firstLocation(ofSegment: segment).units,
                salt: engine.segments.states[segment].salt, seed: engine.index.seed)
            walk.run(from: from)
            return walk.contents
        }
    }
}

/// The state of one walk.
struct ExtentWalk {
    let bytes: UnsafeRawBufferPointer
    let limit: Int
    /// Units below which everything had been durable.
    let proven: Int
    let firstLocation: UInt64
    let salt: UInt64
    let seed: UInt64
    var contents = ExtentContents()
    private var batch: [cpmem_summary_entry] = []
    private var batchNext: (sequence: UInt64, remaining: UInt32)?

    init(
        bytes: UnsafeRawBufferPointer, limit: Int, proven: Int, firstLocation: UInt64,
        salt: UInt64, seed: UInt64
    ) {
        self.bytes = bytes
        self.limit = limit
        self.proven = proven
        self.firstLocation = firstLocation
        self.salt = salt
        self.seed = seed
    }

    /// The record at these units when its header and key verify and its lengths fit.
    private func record(at units: Int) -> RecordView? {
        guard units < limit else { return nil }
        let view = RecordView(
            base: bytes.baseAddress! + units * 64,
            location: Location(units: firstLocation + UInt64(units)))
        let kind = view.kind
        guard
            kind == UInt8(CPMEM_RECORD_PUT.rawValue)
                || kind == UInt8(CPMEM_RECORD_TOMBSTONE.rawValue),
            view.units <= limit - units, view.verifyHeader(salt: salt),
            view.sequence < RecordLayout.sequenceEnd
        else { return nil }
        return view
    }

    mutating func run(from: Int) {
        var position = from
        contents.endUnits = from
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
            position += view.units
        }
    }

    /// Whether a record at `position` had been durable before the crash.
    private func wasDurable(_ position: Int, behind end: Int) -> Bool {
        position < proven || nextProof(of: position, from: end) != nil
    }

    /// The first later record that was written when `position` was already durable.
    private func nextProof(of position: Int, from start: Int) -> Int? {
        var units = start
        while units < limit {
            if let later = record(at: units), Int(later.header.pointee.durable_units) > position {
                return units
            }
            units += 1
        }
        return nil
    }

    /// Where to go on after an unreadable place; nil when the log ends there.
    private mutating func resume(after position: Int) -> Int? {
        guard wasDurable(position, behind: position + 1) else { return nil }
        contents.lost.append(position)
        var units = position + 1
        while units < limit, record(at: units) == nil { units += 1 }
        return units
    }

    /// Counts a record in; one of a batch only when the whole batch has been seen.
    private mutating func take(_ view: RecordView, at position: Int) {
        let key = view.key
        let entry = cpmem_summary_entry(
            key_hash: cpmem_key_hash(key.baseAddress, key.count, seed),
            sequence: view.sequence, offset_units: UInt32(position),
            kind_and_units: UInt32(view.units) | (view.isTombstone ? 1 << 31 : 0))
        contents.maximumSequence = max(contents.maximumSequence, view.sequence)
        let remaining = view.header.pointee.batch_remaining
        if let next = batchNext, next.sequence != view.sequence || next.remaining != remaining {
            batch.removeAll()
        }
        batch.append(entry)
        guard remaining == 0 else {
            batchNext = (view.sequence + 1, remaining - 1)
            return
        }
        batchNext = nil
        contents.entries.append(contentsOf: batch)
        batch.removeAll(keepingCapacity: true)
        contents.endUnits = position + view.units
    }
}
