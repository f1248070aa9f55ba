/// One record on its way to the log.
struct RecordSource {
    let hash: KeyHash
    let bytes: ByteView
    let value: ByteView
    let table: TableNumber
    let kind: RecordKind

    @inline(__always)
    init(kind: RecordKind, hash: KeyHash, key: TableKey, value: ByteView) {
        self.hash = hash
        bytes = key.bytes
        self.value = value
        table = key.table
        self.kind = kind
    }

    @inline(__always)
    var key: TableKey { TableKey(bytes, in: TableRef(table)) }

    static func tombstone(_ key: TableKey, _ hash: KeyHash) -> RecordSource {
        RecordSource(kind: .tombstone, hash: hash, key: key, value: .empty)
    }

    @inline(__always)
    var isExtended: Bool { !table.isUnnamed }

    @inline(__always)
    var units: Units {
        RecordLayout.units(
            keyLength: bytes.count, valueLength: value.count, isExtended: isExtended)
    }

    /// What a summary says of the record.
    @inline(__always)
    func entry(_ sequence: SequenceNumber, at offset: Units) -> SummaryEntry {
        SummaryEntry(
            hash: hash, sequence: sequence, offset: offset, units: units, kind: kind,
            isExtended: isExtended)
    }
}

/// Writing records: begin, append each, finish.
extension Log {
    /// To be called before the first record of a write.
    @inline(__always)
    func beginWrite(to head: borrowing OwnedHead, relaxed: Bool) {
        if relaxed { head.beginRelaxed() } else { flushRelaxed(head) }
    }

    /// Writes one record at the head's position and moves the position behind it; one that is
    /// longer than a segment to an extent of its own.
    ///
    /// The record is not durable before the next drain, and not visible before the index says so.
    /// All lines are written whole: zeroes fill the last one, so that no line has to be read in.
    ///
    /// - Parameter valueChecksum: that of the value, where it is known.
    @inline(__always)
    func append(
        _ source: RecordSource, sequence: SequenceNumber, batchRemaining: UInt32 = 0,
        to head: borrowing OwnedHead, site: PersistSite = .record, deferred: Bool = false,
        valueChecksum: UInt32? = nil
    ) -> Location {
        let units = source.units
        var draft = RecordDraft(
            kind: source.kind, key: source.key, value: source.value, sequence: sequence,
            batchRemaining: batchRemaining)
        if head.isSpanning, isAlone(room(for: source)) {
            return appendAlone(draft, source, sequence, to: head, site)
        }
        let location = head.location
        assert(head.fits(units: units, entries: 1))
        if units.bytes <= OwnedHead.stagingBytes {
            draft.seal(
                at: location, salt: head.salt, durableEnd: head.durableEnd,
                valueChecksum: valueChecksum ?? source.value.checksum)
            unsafe draft.write(to: head.staging, units: units)
            emit(unsafe ByteView(base: head.staging, count: units.bytes), location, site, deferred)
        } else {
            stream(
                &draft, at: location, salt: head.salt, durableEnd: head.durableEnd,
                valueChecksum: valueChecksum, through: head, site, deferred: deferred)
        }
        if let extent = head.extent { segments.noteAppended(extent, source.kind, units) }
        head.advance(source.entry(sequence, at: head.position))
        assert(wasWritten(source, at: location))
        return location
    }

    @inline(__always)
    private func emit(
        _ bytes: ByteView, _ location: Location, _ site: PersistSite, _ deferred: Bool
    ) {
        if deferred {
            medium.copyDeferred(bytes, to: location.offset, site: .relaxedRecord)
        } else {
            medium.copy(bytes, to: location.offset, site: site)
        }
    }

    /// Writes a record longer than the staging buffer, in pieces: while the processor works out the
    /// checksum of one, the one before is on its way to the medium. The header, which needs all of
    /// them, comes last.
    @inline(never)
    func stream(
        _ draft: inout RecordDraft, at location: Location, salt: UInt64, durableEnd: Units,
        valueChecksum known: UInt32?, through head: borrowing OwnedHead, _ site: PersistSite,
        deferred: Bool
    ) {
        let emit = { self.emit($0, $1, site, deferred) }
        var stream = unsafe RecordStream(
            staging: head.staging, location: location, headerSize: draft.headerSize,
            piece: medium.copyPiece)
        stream.write(draft.key, emit) { _ in }
        var checksum = RunningChecksum()
        stream.write(draft.value, emit) { if known == nil { checksum.add($0) } }
        draft.seal(
            at: location, salt: salt, durableEnd: durableEnd,
            valueChecksum: known ?? checksum.value)
        draft.withHeader { stream.finish(header: $0, emit) }
    }

    /// Makes what was appended durable, unless it is relaxed, and gives the head back; the other
    /// way round where one drain covers all threads, so that many writers share it.
    @inline(__always)
    func finishWrite(_ head: consuming OwnedHead, relaxed: Bool) throws(StoreError) {
        if relaxed {
            head.release()
            return try gate.failing { () throws(StoreError) in try medium.checkWrites() }
        }
        if medium.drainCoversAllThreads && !head.isSpanning {
            return try finishShared(head)
        }
        try gate.failing { () throws(StoreError) in try medium.drain(site: .recordDrain) }
        head.noteAllDurable()
        if head.isSpanning { try endSpanning(head) }
        head.release()
    }

    private func finishShared(_ owned: consuming OwnedHead) throws(StoreError) {
        let head = owned.head
        let extent = owned.extent
        let salt = owned.salt
        let end = owned.position
        owned.release()
        try gate.failing { () throws(StoreError) in try medium.drain(site: .recordDrain) }
        // A hint for the next record of this head, not worth waiting for. Waiting would also be a
        // deadlock: this thread holds a shard, and the head's owner may be waiting for that shard.
        guard let again = head.tryOwn() else { return }
        if again.extent == extent, again.salt == salt { again.noteDurable(upTo: end) }
    }
}
