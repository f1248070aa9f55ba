import CPmem

/// The size rules of records.
enum RecordLayout {
    static let headerSize = MemoryLayout<cpmem_record>.size
    static let maximumKeyLength = 65_536
    static let maximumValueLength = (1 << 40) - 1
    /// Sequence numbers, and the superblock's counters, are below this: ten million writes a second
    /// reach it in 14,000 years. What states more is damaged, and nothing has to mind an overflow.
    static let sequenceEnd: UInt64 = 1 << 62

    /// Units a record of this key and value takes.
    @inline(__always)
    static func units(keyLength: Int, valueLength: Int) -> Int {
        (headerSize + keyLength + valueLength + 63) >> 6
    }
}

/// A record as it lies in memory: whole, but hostile until ``verify(salt:)`` has passed.
struct RecordView {
    let base: UnsafeRawPointer
    let location: Location

    @inline(__always)
    var header: UnsafePointer<cpmem_record> { base.assumingMemoryBound(to: cpmem_record.self) }
    @inline(__always)
    var keyLength: Int { Int(cpmem_shape_key_length(header.pointee.shape)) }
    @inline(__always)
    var valueLength: Int { Int(cpmem_shape_value_length(header.pointee.shape)) }
    var kind: UInt8 { cpmem_shape_kind(header.pointee.shape) }
    var isTombstone: Bool { kind == UInt8(CPMEM_RECORD_TOMBSTONE.rawValue) }
    var sequence: UInt64 { header.pointee.sequence }
    @inline(__always)
    var units: Int { RecordLayout.units(keyLength: keyLength, valueLength: valueLength) }
    @inline(__always)
    var key: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + RecordLayout.headerSize, count: keyLength)
    }
    @inline(__always)
    var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: base + RecordLayout.headerSize + keyLength, count: valueLength)
    }

    /// Whether header and key are what was written here in this life of the segment.
    @inline(__always)
    func verifyHeader(salt: UInt64) -> Bool {
        cpmem_header_checksum(
            header, base + RecordLayout.headerSize, UInt32(keyLength), salt, location.units)
            == header.pointee.header_checksum
    }

    /// Whether the value is what the header says.
    @inline(__always)
    func verifyValue() -> Bool {
        cpmem_crc32c(base + RecordLayout.headerSize + keyLength, valueLength)
            == header.pointee.value_checksum
    }

    @inline(__always)
    func hasKey(_ other: UnsafeRawBufferPointer) -> Bool {
        key.hasSameBytes(as: other)
    }
}

/// A record header about to be written.
struct RecordDraft {
    var header: cpmem_record

    @inline(__always)
    init(
        tombstone: Bool, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
        sequence: UInt64, batchRemaining: UInt32
    ) {
        let kind = UInt8(tombstone ? CPMEM_RECORD_TOMBSTONE.rawValue : CPMEM_RECORD_PUT.rawValue)
        header = cpmem_record(
            header_checksum: 0, value_checksum: cpmem_crc32c(value.baseAddress, value.count),
            sequence: sequence, durable_units: 0, batch_remaining: batchRemaining,
            shape: cpmem_shape(kind, UInt32(key.count), UInt64(value.count)))
    }

    /// Fixes the place: the checksum holds at this location in this life only.
    @inline(__always)
    mutating func seal(
        key: UnsafeRawBufferPointer, location: Location, salt: UInt64, durableUnits: UInt32
    ) {
        header.durable_units = durableUnits
        header.header_checksum = withUnsafePointer(to: header) {
            cpmem_header_checksum($0, key.baseAddress, UInt32(key.count), salt, location.units)
        }
    }
}
