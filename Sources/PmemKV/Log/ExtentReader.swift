/// Reads the records of extents from a medium that works; what is damaged on it is told.
struct ExtentReader {
    let medium: Medium
    let geometry: Geometry
    /// Of the key hash.
    let seed: UInt64

    /// The records of a sealed extent: its summary, or a walk when that is damaged.
    func sealed(_ extent: Extent) throws(StoreError) -> ExtentContents {
        guard let entries = try withSummary(of: extent, { [SummaryEntry]($0) }) else {
            return try walk(extent)
        }
        var contents = ExtentContents()
        contents.maximumSequence = entries.reduce(.zero) { max($0, $1.number) }
        contents.entries = entries
        contents.end = extent.sealedEnd ?? .zero
        contents.usedSummary = true
        return contents
    }

    /// How many records the summary of a sealed extent says it lists; see ``withSummary(of:_:)``.
    func claimedRecords(of extent: Extent) throws(StoreError) -> Int {
        guard let place = summaryPlace(extent) else { return 0 }
        return try medium.withBytes(
            at: place.offset, count: min(place.room, Summary.units(entries: 0).bytes)
        ) { Summary.claimedCount(in: $0, end: place.end) }
    }

    /// Gives the summary of a sealed extent to body, which looks at each entry as often as it
    /// likes; nil when it is damaged, or its page was lost meanwhile, and for an open extent.
    func withSummary<R>(
        of extent: Extent, _ body: (SummaryView) -> R
    ) throws(StoreError) -> R? {
        guard let place = summaryPlace(extent) else { return nil }
        let faults = medium.faultCount
        let result = try medium.withBytes(at: place.offset, count: place.room) {
            SummaryView($0, salt: extent.salt, end: place.end).map(body)
        }
        return medium.faultCount == faults ? result : nil
    }

    /// Begins to read the summary of a sealed extent piece by piece; nil when it is damaged.
    func beginSummary(_ extent: Extent) throws(StoreError) -> SummaryReader? {
        let header = SummaryReader.headerBytes
        guard let place = summaryPlace(extent), header.upperBound <= place.room else { return nil }
        return try medium.withBytes(at: place.offset, count: header.count) {
            SummaryReader($0, room: place.room, salt: extent.salt, end: place.end)
        }
    }

    /// Reads so many of its entries.
    func goOn(
        with summary: inout SummaryReader, of extent: Extent, entries most: Int
    ) throws(StoreError) {
        let piece = summary.piece(entries: most)
        guard let place = summaryPlace(extent), piece.upperBound <= place.room else { return }
        try medium.withBytes(at: place.offset + piece.lowerBound, count: piece.count) {
            summary.read($0)
        }
    }

    /// Where the summary of an extent begins, in bytes from the start of the pool, the bytes that
    /// there are for it, and where the records end; nil for an extent that is open.
    private func summaryPlace(_ extent: Extent) -> (offset: Int, room: Int, end: Units)? {
        extent.sealedEnd.map { end in
            let room = geometry.units(ofSpan: extent.span) - end
            return (geometry.offset(of: extent.first) + end.bytes, room.bytes, end)
        }
    }

    /// Walks an extent from some record on, up to where its last committed record ends.
    func walk(_ extent: Extent, from first: Units = .zero) throws(StoreError) -> ExtentContents {
        let length = extent.sealedEnd ?? geometry.units(ofSpan: extent.span)
        return try medium.withBytes(
            at: geometry.offset(of: extent.first), count: length.bytes
        ) {
            ExtentWalk.contents(
                of: $0, extent, at: geometry.firstLocation(of: extent.first), from: first,
                seed: seed)
        }
    }

    // MARK: Damage

    /// A durable record of which not even the key is readable.
    func lostRecord(_ extent: SegmentNumber, at place: Units) -> Damage {
        let offset = geometry.offset(of: extent) + place.bytes
        return Damage(
            kind: .record, offset: offset, segment: extent.rawValue,
            reason: "a durable record at offset \(offset) is unreadable, its key included, so the "
                + "newest value of some key is unknown")
    }

    /// Records that leave no room for their summary: sealing would write into the next segment.
    func noRoomForSummary(_ extent: SegmentNumber) -> Damage {
        let offset = geometry.offset(of: extent)
        return Damage(
            kind: .extent, offset: offset, segment: extent.rawValue,
            reason: "the records of the segment at offset \(offset) leave no room for its summary, "
                + "which no store would have written")
    }
}

extension Log {
    /// - Parameter seed: of the key hash.
    func extentReader(seed: UInt64) -> ExtentReader {
        ExtentReader(medium: medium, geometry: geometry, seed: seed)
    }

    /// The records of a sealed extent that is all readable.
    func sealedEntries(
        _ extent: SegmentNumber, seed: UInt64
    ) throws(StoreError) -> [SummaryEntry] {
        let reader = extentReader(seed: seed)
        let contents = try reader.sealed(segments.extent(extent))
        if let lost = contents.lost.first { throw reader.lostRecord(extent, at: lost).refusal }
        return contents.entries
    }
}
