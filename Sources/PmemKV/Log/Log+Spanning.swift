/// What a write that goes beyond the open extent of its head has in hand. Its owner's alone.
struct SpanningState {
    /// From when room was found for the write until it is durable and its extents are sealed.
    var isUnderWay = false
    /// Empty extents of a segment, for what does not fit the open one; the next one is the last.
    var spares: [SegmentNumber] = []
    /// Whether the spares come out of what is kept for tombstones.
    var areForTombstones = false
    /// Empty extents for the records that are longer than a segment. There may be some for records
    /// that turn out not to be wanted, so each takes one of its own length.
    var alone: [SegmentNumber] = []
    /// Extents that are full, with the summary behind their records: sealed when the write is
    /// durable.
    var filled: [FilledExtent] = []
    /// Whether the last record of the write lies in the last of those.
    var endsInFilled = false
}

/// An extent that takes no more records, and where they end.
struct FilledExtent {
    let extent: SegmentNumber
    let end: Units
}

/// Writes of more than the open extent of a head has room for: a record longer than a segment has
/// an extent of its own; a batch goes on from segment to segment.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I11: the last record of a batch is written when all others, in whatever extents, are durable.
///   So where it is found, all of the batch is there.
/// - I9, I11: none of the extents is sealed before the whole batch is durable, and the one with the
///   last record not before the seals of the others are durable: until then recovery needs it to
///   tell that what the others end with belongs to a whole batch.
extension Log {
    /// Whether a record of this size needs an extent of its own.
    @inline(__always)
    func isAlone(_ units: Units) -> Bool {
        ExtentRoom.ownSpan(units: units, entries: 1, geometry.segmentUnits) != nil
    }

    /// The room to find for a record: for one that is not short, with an allowance for its key, so
    /// that how long a value may be does not depend on that.
    @inline(__always)
    func room(for source: RecordSource) -> Units {
        let units = source.units
        guard units.bytes > OwnedHead.stagingBytes else { return units }
        return max(
            units,
            RecordLayout.units(
                keyLength: RecordLayout.keyAllowance, valueLength: source.value.count,
                isExtended: false))
    }

    /// To be called before each record of a batch that goes beyond the open extent. Goes on to the
    /// next segment when the record needs it, and makes all durable before the last one.
    func goOn(
        _ head: borrowing OwnedHead, for source: RecordSource, isLast: Bool
    ) throws(StoreError) {
        let room = room(for: source)
        if !isAlone(room), !head.fits(units: room, entries: 1) {
            if let extent = head.extent {
                head.spanning.filled.append(fill(extent, of: head))
                head.leave()
            }
            head.beginSpare(of: segments)
        }
        guard isLast, !head.spanning.filled.isEmpty else { return }
        // The head is not told: a last record that is torn, and yet says that those before it were
        // durable, would make damage of what recovery writes over them.
        try gate.failing { () throws(StoreError) in try medium.drain(site: .batchDrain) }
    }

    @inline(never)
    func appendAlone(
        _ draft: RecordDraft, _ source: RecordSource, _ sequence: SequenceNumber,
        to head: borrowing OwnedHead, _ site: PersistSite
    ) -> Location {
        let span = ExtentRoom.ownSpan(
            units: room(for: source), entries: 1, geometry.segmentUnits)
        guard let place = head.spanning.alone.firstIndex(where: { segments.span($0) == span })
        else {
            preconditionFailure("no extent was taken for a record of \(source.units.bytes) bytes")
        }
        let extent = head.spanning.alone.remove(at: place)
        let location = geometry.firstLocation(of: extent)
        var draft = draft
        stream(
            &draft, at: location, salt: segments.salt(extent), durableEnd: .zero,
            valueChecksum: nil, through: head, site, deferred: false)
        segments.noteAppended(extent, source.kind, source.units)
        let filled = FilledExtent(extent: extent, end: source.units)
        writeSummary([source.entry(sequence, at: .zero)].span, of: filled)
        head.spanning.filled.append(filled)
        head.spanning.endsInFilled = draft.isLastOfBatch
        assert(wasWritten(source, at: location))
        return location
    }

    /// Seals what a durable write has filled, and frees what it has not used.
    @inline(never)
    func endSpanning(_ head: borrowing OwnedHead) throws(StoreError) {
        let filled = head.spanning.filled
        let others = head.spanning.endsInFilled ? filled.dropLast() : filled[...]
        for extent in others { storeSeal(of: extent) }
        if !others.isEmpty {
            try gate.failing { () throws(StoreError) in try medium.drain(site: .batchSealDrain) }
        }
        if head.spanning.endsInFilled, let last = filled.last { storeSeal(of: last) }
        try giveBackSpares(head)
    }

    /// Frees what was taken for a write and not used.
    func giveBackSpares(_ head: borrowing OwnedHead) throws(StoreError) {
        for extent in head.spanning.spares + head.spanning.alone {
            try gate.guarded { () throws(StoreError) in try segments.release(extent) }
        }
        head.spanning = SpanningState()
    }
}

extension OwnedHead {
    /// Begins to append to the next spare segment. The head has no extent.
    func beginSpare(of segments: Segments) {
        guard let spare = spanning.spares.popLast() else {
            preconditionFailure("no segment was taken for what does not fit the open one")
        }
        begin(spare, of: segments)
        isForTombstones = spanning.areForTombstones
    }
}
