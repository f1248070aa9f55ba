import CPmem

extension Engine {
    /// Whether a location can be that of a record: inside the segments, with its header.
    @inline(__always)
    private func recordView(_ base: UnsafeRawPointer, _ location: Location) -> RecordView? {
        guard geometry.segment(of: location) != nil else { return nil }
        return RecordView(base: base + location.offset, location: location)
    }

    /// Gives the record of a key to body, verified, or returns nil when there is no such key.
    ///
    /// Lock-free. The record stays where it is while body runs.
    @inline(__always)
    func withRecord<R>(
        _ key: UnsafeRawBufferPointer, _ hash: UInt64,
        _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        let ticket = epochs.enter()
        defer { epochs.leave(ticket) }
        try checkReadable()
        guard let base = medium.base else {
            return try index.find(hash) { location throws(StoreError) -> R? in
                try self.withUnmappedRecord(location) { record throws(StoreError) -> R? in
                    guard try self.isRecord(record, of: key) else { return nil }
                    try self.verify(record)
                    return try body(record)
                }
            }
        }
        return try index.find(hash) { location throws(StoreError) -> R? in
            guard let record = self.recordView(base, location),
                try self.isRecord(record, of: key)
            else { return nil }
            if self.options.verifiesReads { try self.verify(record) }
            return try body(record)
        }
    }

    /// Whether a record is one of this key.
    ///
    /// A record of another key with the same fingerprint is rare enough to be verified: if it is
    /// damaged it may have been this key's, and "no such key" would be a wrong answer.
    @inline(__always)
    func isRecord(
        _ record: RecordView, of key: UnsafeRawBufferPointer
    ) throws(StoreError) -> Bool {
        guard fits(record) else { throw damage(record) }
        if record.hasKey(key) { return true }
        guard record.verifyHeader(salt: salt(of: record)) else { throw damage(record) }
        return false
    }

    @inline(__always)
    func salt(of record: RecordView) -> UInt64 {
        segments.states[segments.first(of: record.location)].salt
    }

    /// Whether the lengths that a header states stay inside its extent.
    @inline(__always)
    func fits(_ record: RecordView) -> Bool {
        let first = segments.first(of: record.location)
        let end = geometry.offset(ofSegment: first)
            &+ segments.states[first].life.span &* geometry.segmentSize
        return record.location.offset &+ RecordLayout.headerSize &+ record.keyLength
            &+ record.valueLength <= end
    }

    @inline(__always)
    func verify(_ record: RecordView) throws(StoreError) {
        guard record.verifyHeader(salt: salt(of: record)), record.verifyValue() else {
            throw damage(record)
        }
    }

    @inline(never)
    func damage(_ record: RecordView) -> StoreError {
        StoreError(
            medium.faultCount > 0 ? .media : .corrupt, """
                the record at offset \(record.location.offset) is damaged: it does not match its \
                checksum; 'pmemkv check' lists all damage, 'pmemkv repair' salvages the rest
                """)
    }

    /// Reads a record through system calls: first what most records fit in, then the rest.
    @inline(never)
    func withUnmappedRecord<R>(
        _ location: Location, _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        guard let segment = geometry.segment(of: location) else { return nil }
        let first = Int(segments.states[segment].first)
        let end = geometry.offset(ofSegment: first)
            + max(1, segments.states[first].life.span) * geometry.segmentSize
        let guess = min(512, end - location.offset)
        guard guess >= RecordLayout.headerSize else { return nil }
        return try medium.withBytes(at: location.offset, count: guess) {
            bytes throws(StoreError) -> R? in
            let view = RecordView(base: bytes.baseAddress!, location: location)
            guard self.fits(view) else { throw self.damage(view) }
            let total = RecordLayout.headerSize + view.keyLength + view.valueLength
            if total <= guess { return try body(view) }
            return try self.medium.withBytes(at: location.offset, count: total) {
                whole throws(StoreError) -> R? in
                let again = RecordView(base: whole.baseAddress!, location: location)
                guard again.header.pointee.shape == view.header.pointee.shape else {
                    throw self.damage(again)
                }
                return try body(again)
            }
        }
    }

    /// Gives the record at a known location to body, lengths checked, nothing else.
    @inline(__always)
    func withRecord<R>(
        at location: Location, _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        guard let base = medium.base else { return try withUnmappedRecord(location, body) }
        guard let record = recordView(base, location) else { return nil }
        guard fits(record) else { throw damage(record) }
        return try body(record)
    }
}
