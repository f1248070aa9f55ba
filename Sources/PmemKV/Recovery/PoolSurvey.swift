/// A look at all of a pool that stops at no damage: what check reports and repair reads from.
///
/// It reads through the readers that opening uses, in their tolerant mode.
///
/// Invariants: nothing is written; every length and number is checked before use; bytes that
/// cannot be read count as zeroes and are reported.
struct PoolSurvey {
    let medium: Medium
    let table: PoolTable
    private var log = DamageLog(.tolerant)
    private let reader: ExtentReader
    /// What the index would have for each value that was seen; nil where no checkpoint is held
    /// against them, since it takes memory for each.
    private var items: Set<UInt64>?
    private var batches = SpanningBatches(in: [])

    var geometry: Geometry { table.geometry }
    /// In the order of the pool.
    var damage: [Damage] { log.damage.sorted { $0.offset < $1.offset } }
    var logExtents: [Extent] { table.segments.extents.filter { $0.life.state == .log } }

    /// - Parameter checksCheckpoint: whether ``checkCheckpoint()`` is going to be asked for.
    init(_ medium: Medium, path: String, checksCheckpoint: Bool) throws(StoreError) {
        self.medium = medium
        items = checksCheckpoint ? [] : nil
        table = try PoolTable(reading: medium, path: path, log: &log)
        reader = ExtentReader(
            medium: medium, geometry: table.geometry, seed: table.superblock.poolID)
        guard table.superblock.features.contains(.spanningBatches) else { return }
        var open: [ExtentContents] = []
        for extent in logExtents where extent.sealedEnd == nil {
            var contents = ExtentContents()
            // What cannot be read is noted when the extent's records are asked for.
            var unheard = DamageLog(.tolerant)
            try PoolTable.readRange(
                medium, at: geometry.offset(of: extent.first),
                count: geometry.units(ofSpan: extent.span).bytes, &unheard
            ) { contents = walk($0, extent) }
            open.append(contents)
        }
        batches = SpanningBatches(in: open)
    }

    private func walk(_ bytes: ByteView, _ extent: Extent) -> ExtentContents {
        ExtentWalk.contents(
            of: bytes, extent, at: geometry.firstLocation(of: extent.first), seed: reader.seed)
    }

    /// Calls body with each record of a log extent that is committed and whole. Records with a
    /// damaged value, and places where nothing is readable, are noted.
    mutating func forEachRecord(
        in extent: Extent, _ body: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        let start = geometry.firstLocation(of: extent.first)
        let capacity = geometry.units(ofSpan: extent.span)
        var found: [Damage] = []
        var log = self.log
        defer { self.log = log }
        try PoolTable.readRange(
            medium, at: start.offset, count: capacity.bytes, &log,
            segment: table.segment(ofOffset:)
        ) { bytes throws(StoreError) in
            var contents = walk(bytes, extent)
            batches.settle(&contents)
            found = damage(of: contents, extent, capacity: capacity)
            for entry in contents.entries where entry.kind.isFound {
                let item = IndexSlot(hash: entry.hash, location: start + entry.offset)
                items?.insert(item.rawValue)
            }
            let damaged = Set(contents.damagedValues)
            for entry in contents.entries {
                let view = ExtentWalk.view(
                    in: bytes, at: entry.offset, start: start, salt: extent.salt)
                if damaged.contains(entry.offset) {
                    found.append(damagedValue(view, extent))
                } else {
                    try body(view)
                }
            }
            if let summary = damagedSummary(bytes, extent, at: start, contents) {
                found.append(summary)
            }
        }
        for damage in found { log.note(damage) }
    }

    private func damage(
        of contents: ExtentContents, _ extent: Extent, capacity: Units
    ) -> [Damage] {
        var found = contents.lost.map { reader.lostRecord(extent.first, at: $0) }
        if extent.sealedEnd == nil, !contents.leavesRoomForSummary(capacity: capacity) {
            found.append(reader.noRoomForSummary(extent.first))
        }
        return found
    }

    private func damagedValue(_ view: RecordView, _ extent: Extent) -> Damage {
        Damage(
            kind: .value, offset: view.location.offset, segment: extent.first.rawValue,
            key: view.key.array, reason: "the value does not match its checksum")
    }

    /// A summary whose checksum holds may still say something else than the records do.
    private func damagedSummary(
        _ bytes: ByteView, _ extent: Extent, at start: Location, _ contents: ExtentContents
    ) -> Damage? {
        guard let end = extent.sealedEnd else { return nil }
        let entries = Summary.entries(in: bytes.dropFirst(end.bytes), salt: extent.salt, end: end)
        if let entries, !contents.lost.isEmpty || isEqual(entries, contents.entries) {
            return nil
        }
        return Damage(
            kind: .summary, offset: (start + end).offset, segment: extent.first.rawValue,
            reason: entries == nil
                ? "the summary is damaged; the records are walked instead"
                : "the summary does not say what the records say")
    }

    private func isEqual(_ summary: [SummaryEntry], _ walked: [SummaryEntry]) -> Bool {
        summary.elementsEqual(walked) { $0.isSame(as: $1) }
    }

    /// Notes a checkpoint that the superblock names and that is not whole, or leads to what are no
    /// records. All log extents have been looked at.
    mutating func checkCheckpoint() throws(StoreError) {
        guard table.superblock.checkpoint != nil else { return }
        guard let place = CheckpointPlace(in: table) else {
            return log.note(damagedCheckpoint(nil, "is not where the superblock says"))
        }
        var log = self.log
        defer { self.log = log }
        let problem = try PoolTable.readRange(
            medium, at: place.offset, count: place.length, &log,
            segment: table.segment(ofOffset:)
        ) { bytes -> String? in
            guard let view = place.view(of: bytes), view.isConsistent else { return "is damaged" }
            return leadsToRecords(view) ? nil : "leads to places that are none of records"
        }
        if let problem { log.note(damagedCheckpoint(place, problem)) }
    }

    /// Whether every item that opening would take over is that of a value in the log.
    private func leadsToRecords(_ view: CheckpointView) -> Bool {
        guard let items else { preconditionFailure("no items were collected") }
        let coverage = CheckpointCoverage(of: view.head, in: table)
        var areRecords = true
        view.forEachItem { item in
            if coverage.takes(item.location), !items.contains(item.rawValue) { areRecords = false }
        }
        return areRecords
    }

    private func damagedCheckpoint(_ place: CheckpointPlace?, _ problem: String) -> Damage {
        Damage(
            kind: .checkpoint, offset: place?.offset ?? 0, segment: place?.extent.first.rawValue,
            reason: "the index checkpoint \(problem)")
    }

    /// A guess at the life of a segment whose line is damaged: the generation under which a
    /// record at its start verifies. What else the line says of that life still counts.
    func guess(_ segment: SegmentNumber) -> Extent? {
        let poolID = table.superblock.poolID
        let start = geometry.firstLocation(of: segment)
        let bytes = TolerantReader(medium: medium).read(
            at: start.offset, count: geometry.segmentSize
        ).bytes
        let line = TolerantReader(medium: medium).read(
            at: geometry.lineOffset(of: segment), count: Geometry.line
        ).bytes
        return bytes.withByteView { bytes in
            for generation in 0..<UInt32(1 << 20) {
                let salt = LifeWord.salt(poolID: poolID, segment: segment, generation: generation)
                let view = ExtentWalk.view(in: bytes, at: .zero, start: start, salt: salt)
                guard view.fits else { return nil }
                if view.verifyHeader() {
                    let life = LifeWord(
                        poolID: poolID, segment: segment, generation: generation, span: 1,
                        state: .log)
                    return line.withByteView {
                        SegmentTable.extent(segment, life, $0, geometry, poolID: poolID)
                    }
                }
            }
            return nil
        }
    }
}
