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
        guard let end = extent.sealedEnd else { return 0 }
        let room = geometry.units(ofSpan: extent.span) - end
        return try medium.withBytes(
            at: geometry.offset(of: extent.first) + end.bytes,
            count: min(room, Summary.units(entries: 0)).bytes
        ) { Summary.claimedCount(in: $0, end: end) }
    }

    /// Gives the summary of a sealed extent to body, which looks at each entry as often as it
    /// likes; nil when it is damaged, or its page was lost meanwhile, and for an open extent.
    func withSummary<R>(
        of extent: Extent, _ body: (SummaryView) -> R
    ) throws(StoreError) -> R? {
        guard let end = extent.sealedEnd else { return nil }
        let capacity = geometry.units(ofSpan: extent.span)
        let faults = medium.faultCount
        let result = try medium.withBytes(
            at: geometry.offset(of: extent.first) + end.bytes, count: (capacity - end).bytes
        ) { SummaryView($0, salt: extent.salt, end: end).map(body) }
        return medium.faultCount == faults ? result : nil
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
    /// The records of a sealed extent that is all readable.
    func sealedEntries(
        _ extent: SegmentNumber, seed: UInt64
    ) throws(StoreError) -> [SummaryEntry] {
        let reader = ExtentReader(medium: medium, geometry: geometry, seed: seed)
        let contents = try reader.sealed(segments.extent(extent))
        if let lost = contents.lost.first { throw reader.lostRecord(extent, at: lost).refusal }
        return contents.entries
    }
}
