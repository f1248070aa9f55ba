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
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash,
        _ body: (RecordView) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try epochs.reading { () throws(StoreError) -> R? in
            try checkReadable()
            var doubt: StoreError?
            let result: R?
            if let base = medium.base {
                result = try index.find(hash) { location throws(StoreError) -> R? in
                    guard let record = self.recordView(base, location),
                        self.isRecord(record, of: key, &doubt)
                    else { return nil }
                    if self.options.verifiesReads { try self.verify(record) }
                    return try body(record)
                }
            } else {
                result = try index.find(hash) { location throws(StoreError) -> R? in
                    try self.withUnmappedRecord(location) { record throws(StoreError) -> R? in
                        guard self.isRecord(record, of: key, &doubt) else { return nil }
                        try self.verify(record)
                        return try body(record)
                    }
                }
            }
            if result == nil, let doubt { throw doubt }
            return result
        }
    }

    /// Whether a record is one of this key.
    ///
    /// A record of another key with the same fingerprint is rare enough to be verified: if it is
    /// damaged it may have been this key's, and unless the key turns up elsewhere, "no such key"
    /// would be a wrong answer. That doubt is left to the caller.
    @inline(__always)
    func isRecord(
        _ record: RecordView, of key: UnsafeRawBufferPointer, _ doubt: inout StoreError?
    ) -> Bool {
        guard fits(record) else {
            doubt = damage(record)
            return false
        }
        if record.hasKey(key) { return true }
        if !record.verifyHeader(salt: salt(of: record)) { doubt = damage(record) }
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
        let end =
            geometry.offset(ofSegment: first)
            &+ segments.states[first].life.span &* geometry.segmentSize
        return record.location.offset &+ RecordLayout.headerSize &+ record.keyLength
            &+ record.valueLength <= end
    }

    /// Whether lengths, header, key and value are what was written.
    @inline(__always)
    func isSound(_ record: RecordView) -> Bool {
        fits(record) && record.verifyHeader(salt: salt(of: record)) && record.verifyValue()
    }

    @inline(__always)
    func verify(_ record: RecordView) throws(StoreError) {
        guard isSound(record) else { throw damage(record) }
    }

    @inline(never)
    func damage(_ record: RecordView) -> StoreError {
        StoreError(
            medium.faultCount > 0 ? .media : .corrupt,
            """
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
        let end =
            geometry.offset(ofSegment: first)
            + max(1, segments.states[first].life.span) * geometry.segmentSize
        let guess = min(512, end - location.offset)
        guard guess >= RecordLayout.headerSize else { return nil }
        return try medium.withBytes(at: location.offset, count: guess) {
            bytes throws(StoreError) -> R? in
            let view = RecordView(base: bytes.baseAddress!, location: location)
            guard self.fits(view) else { return try body(view) }
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

    /// Gives the record at a location to body, nothing checked but that its header is inside the
    /// segments.
    @inline(__always)
    func withRecord<R>(
        at location: Location, _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        guard let base = medium.base else { return try withUnmappedRecord(location, body) }
        guard let record = recordView(base, location) else { return nil }
        return try body(record)
    }
}
