/// Reads the records of extents from a medium that works; what is damaged on it is told.
struct ExtentReader {
    let medium: Medium
    let geometry: Geometry
    /// Of the key hash.
    let seed: UInt64

    /// The records of a sealed extent: its summary, or a walk when that is damaged.
    func sealed(_ extent: Extent) throws(StoreError) -> ExtentContents {
        guard let end = extent.sealedEnd else { return try walk(extent) }
        let offset = geometry.offset(of: extent.first)
        let capacity = geometry.units(ofSpan: extent.span)
        let entries = try medium.withBytes(
            at: offset + end.bytes, count: (capacity - end).bytes
        ) { Summary.entries(in: $0, salt: extent.salt, end: end) }
        guard let entries else { return try walk(extent) }
        var contents = ExtentContents()
        contents.maximumSequence = entries.reduce(.zero) { max($0, $1.number) }
        contents.entries = entries
        contents.end = end
        contents.usedSummary = true
        return contents
    }

    /// Begins to read the summary of a sealed extent; nil when it is damaged.
    func beginSummary(_ extent: Extent) throws(StoreError) -> SummaryReader? {
        try withSummary(extent, SummaryReader.headerBytes) { bytes, room, end in
            SummaryReader(bytes, room: room, salt: extent.salt, end: end)
        }
    }

    /// Reads so many of its entries.
    func goOn(
        with summary: inout SummaryReader, of extent: Extent, entries most: Int
    ) throws(StoreError) {
        let piece = summary.piece(entries: most)
        _ = try withSummary(extent, piece) { bytes, _, _ -> Void? in summary.read(bytes) }
    }

    /// Gives body a part of a summary, the bytes that there are for it, and where it begins; nil
    /// when the extent has none.
    private func withSummary<R>(
        _ extent: Extent, _ part: Range<Int>, _ body: (ByteView, Int, Units) -> R?
    ) throws(StoreError) -> R? {
        guard let end = extent.sealedEnd else { return nil }
        let room = (geometry.units(ofSpan: extent.span) - end).bytes
        guard part.upperBound <= room else { return nil }
        let offset = geometry.offset(of: extent.first) + end.bytes
        return try medium.withBytes(at: offset + part.lowerBound, count: part.count) {
            body($0, room, end)
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
