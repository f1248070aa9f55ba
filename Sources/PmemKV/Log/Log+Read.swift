import CPmem

/// Reading records where they lie.
extension Log {
    /// The extent that a location lies in; nil outside the segments.
    @inline(__always)
    func bounds(of location: Location) -> ExtentBounds? {
        segments.segment(of: location).map(segments.bounds(ofExtentWith:))
    }

    func damage(_ record: RecordView) -> StoreError { damage(at: record.location) }

    @inline(never)
    func damage(at location: Location) -> StoreError {
        StoreError(
            medium.faultCount > 0 ? .media : .corrupt,
            """
            the record at offset \(location.offset) is damaged: it does not match its \
            checksum; 'pmemkv check' lists all damage, 'pmemkv repair' salvages the rest
            """)
    }

    /// Gives the record at a location to body, nothing checked but that its header is inside the
    /// segments; nil when it is not.
    @inline(__always)
    func withRecord<R>(
        at location: Location, _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        guard let base = unsafe medium.base else {
            return try withUnmappedRecord(at: location, body)
        }
        guard let record = unsafe record(at: location, over: base) else { return nil }
        return try body(record)
    }

    /// The record at a location of a medium that is mapped, nothing checked but that its header is
    /// inside the segments; nil when it is not.
    @unsafe @inline(__always)
    func record(at location: Location, over base: UnsafeRawPointer) -> RecordView? {
        guard let extent = bounds(of: location) else { return nil }
        return unsafe RecordView(base: base + location.offset, location: location, in: extent)
    }

    /// What most records fit in.
    private static let usualBytes = 512

    /// Reads a record through system calls: first as much as usual, then the rest.
    @inline(never)
    func withUnmappedRecord<R>(
        at location: Location, _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        guard let extent = bounds(of: location) else { return nil }
        let guess = min(Self.usualBytes, extent.end - location.offset)
        guard guess >= RecordLayout.headerSize else { return nil }
        return try withView(at: location, in: extent, count: guess) {
            view throws(StoreError) -> R? in
            if !view.fits || view.byteCount <= guess { return try body(view) }
            return try self.withView(at: location, in: extent, count: view.byteCount) {
                whole throws(StoreError) -> R? in
                guard whole.hasShape(of: view) else { throw self.damage(at: location) }
                return try body(whole)
            }
        }
    }

    private func withView<R>(
        at location: Location, in extent: ExtentBounds, count: Int,
        _ body: (RecordView) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        try medium.withBytes(at: location.offset, count: count) { bytes throws(StoreError) in
            try body(
                unsafe RecordView(
                    base: bytes.baseAddress.unsafelyUnwrapped, location: location, in: extent))
        }
    }

    /// Starts to load the first lines of a record, which may go beyond its end. The location may be
    /// none at all: where nothing is mapped, nothing is loaded.
    @inline(__always)
    func prefetchRecord(at location: Location, lines: Int = 1) {
        guard let base = unsafe medium.base else { return }
        for line in 0..<lines {
            unsafe cpmem_prefetch(base + location.offset + line &* Geometry.line)
        }
    }

    /// Whether a record can be read back as it was meant to be written; for assertions.
    func wasWritten(_ source: RecordSource, at location: Location) -> Bool {
        guard medium.canReadBack else { return true }
        let isThere = try? withRecord(at: location) { record -> Bool? in
            record.isSound && record.hasKey(source.key) && record.kind == source.kind
                && record.units == source.units
        }
        return isThere ?? false
    }
}
