import CPmem

/// What a record says about its key. The one place that knows what kinds there are.
package enum RecordKind: UInt8, Sendable {
    /// The key has this value.
    case put = 1
    /// The key is absent. Stays for as long as an older put of the key could be found without it.
    case tombstone = 2

    /// The bit beside the kind that a record with an extension has.
    fileprivate static let extended: UInt8 = 4

    /// The kind in a record's header; nil for one that this version does not know.
    @inline(__always)
    fileprivate init?(header byte: UInt8) { self.init(rawValue: byte & ~Self.extended) }

    private static let summaryTombstone: UInt32 = 1 << 31

    /// The kind as a summary's entry has it, above the units of the record.
    @inline(__always)
    var summaryBits: UInt32 { self == .tombstone ? Self.summaryTombstone : 0 }

    @inline(__always)
    init(summaryBits word: UInt32) {
        self = word & Self.summaryTombstone != 0 ? .tombstone : .put
    }

    /// The bit of an entry's word beside that: the record has an extension.
    static let summaryExtended: UInt32 = 1 << 30
    /// The bits of an entry's word that are units.
    static let summaryUnits = summaryExtended - 1

    /// Whether a reader is given records of this kind: the index points at them, and they are
    /// alive for as long as it does. The others only hide older versions.
    @inline(__always)
    var isFound: Bool { self == .put }
}

/// The size rules of records.
enum RecordLayout {
    static let headerSize = MemoryLayout<cpmem_record>.size
    static let maximumKeyLength = 65_536
    static let extensionSize = Int(CPMEM_EXTENSION_SIZE)
    /// A record with the longest key has no more units than an entry of a summary has bits for.
    static let maximumValueLength = Int(RecordKind.summaryUnits) * Geometry.line - (1 << 17)

    /// Units a record of this key and value takes.
    @inline(__always)
    static func units(keyLength: Int, valueLength: Int, isExtended: Bool) -> Units {
        Units(
            roundingUp: headerSize + (isExtended ? extensionSize : 0) + keyLength + valueLength)
    }

    /// Units of a record of the catalog with a name that was made up.
    static let usualCatalogUnits = Units(2)

    /// Lines to ask for ahead of a look at a record: a short one is then wholly on its way.
    static let shortLines = 4

    /// Bytes of extension and key that a record longer than a segment has room for in any case, so
    /// that how long a value may be does not depend on its key.
    static let keyAllowance = 64

    /// Bytes of the longest value under such a key in so many units.
    static func longestValue(in units: Units) -> Int {
        max(0, units.bytes - headerSize - keyAllowance)
    }
}

/// What a record needs to know of the extent it lies in.
struct ExtentBounds {
    /// Of the extent's life.
    let salt: UInt64
    /// Bytes from the start of the pool.
    let end: Int
}

/// A record as it lies in memory: whole, but hostile until its checksums have been compared.
@safe
struct RecordView {
    private let base: UnsafeRawPointer
    let location: Location
    private let extent: ExtentBounds

    /// - Parameter base: the header's bytes; those of key and value only once their lengths fit.
    @unsafe @inline(__always)
    init(base: UnsafeRawPointer, location: Location, in extent: ExtentBounds) {
        unsafe self.base = base
        self.location = location
        self.extent = extent
    }

    @inline(__always)
    private var header: cpmem_record { unsafe base.assumingMemoryBound(to: cpmem_record.self)[0] }
    @inline(__always)
    var keyLength: Int { Int(cpmem_shape_key_length(header.shape)) }
    @inline(__always)
    var valueLength: Int { Int(cpmem_shape_value_length(header.shape)) }
    /// Nil for a kind that this version does not know.
    @inline(__always)
    var kind: RecordKind? {
        guard let kind = RecordKind(header: cpmem_shape_kind(header.shape)) else { return nil }
        // An extension that says nothing, or more than a table, is none of this version's.
        return !isExtended || (1...UInt64(UInt16.max)).contains(extensionWord) ? kind : nil
    }
    /// Of a record that has one.
    private var extensionWord: UInt64 {
        unsafe cpmem_extension(base.assumingMemoryBound(to: cpmem_record.self))
    }
    /// Bytes of the extension; none in most records.
    @inline(__always)
    private var extensionLength: Int { Int(cpmem_shape_extension(header.shape)) }
    var isExtended: Bool { extensionLength > 0 }
    /// The table that the key belongs to.
    @inline(__always)
    var table: TableNumber {
        guard extensionLength > 0 else { return .unnamed }
        return TableNumber(cpmem_extension_table(extensionWord))
    }
    @inline(__always)
    var sequence: SequenceNumber { SequenceNumber(header.sequence) }
    /// How far the extent was durable when this record was written.
    var durableEnd: Units { Units(Int(header.durable_units)) }
    /// What the value has to be, by the header.
    @inline(__always)
    var valueChecksum: UInt32 { header.value_checksum }
    /// Records of the same batch that follow.
    var batchRemaining: UInt32 { header.batch_remaining }
    @inline(__always)
    var units: Units { Units(roundingUp: byteCount) }
    /// Where the key begins.
    @inline(__always)
    private var keyStart: Int { RecordLayout.headerSize &+ extensionLength }
    /// Bytes of header, key and value.
    @inline(__always)
    var byteCount: Int { keyStart &+ keyLength &+ valueLength }
    /// The bytes of the key, without the table.
    @inline(__always)
    var key: ByteView {
        unsafe ByteView(base: base + keyStart, count: keyLength)
    }
    /// The key with its table.
    var tableKey: TableKey { TableKey(key, in: TableRef(table)) }
    @inline(__always)
    var value: ByteView {
        unsafe ByteView(base: base + keyStart + keyLength, count: valueLength)
    }

    /// Both, as they lie one behind the other.
    @inline(__always)
    var keyAndValue: ByteView {
        unsafe ByteView(base: base + keyStart, count: keyLength &+ valueLength)
    }

    /// Whether two headers state the same kind and lengths.
    func hasShape(of other: RecordView) -> Bool { header.shape == other.header.shape }

    /// Whether the lengths that the header states stay inside the extent.
    @inline(__always)
    var fits: Bool { location.offset &+ byteCount <= extent.end }

    /// Whether header and key, which fit, are what was written here in this life of the extent.
    @inline(__always)
    func verifyHeader() -> Bool {
        unsafe cpmem_header_checksum(
            base.assumingMemoryBound(to: cpmem_record.self), base + RecordLayout.headerSize,
            UInt32(extensionLength + keyLength), extent.salt, location.units)
            == header.header_checksum
    }

    /// Whether the value, which fits, is what the header says.
    func verifyValue() -> Bool { value.checksum == valueChecksum }

    /// Whether the record can tell its key: lengths, header and key are what was written.
    @inline(__always)
    var knowsKey: Bool { fits && verifyHeader() }

    /// Whether lengths, header, key and value are what was written.
    @inline(__always)
    var isSound: Bool {
        unsafe fits
            && cpmem_record_verifies(
                base.assumingMemoryBound(to: cpmem_record.self), extent.salt, location.units)
    }

    /// Whether the record is one of this key, and is what was written. The same as both in turn.
    @inline(__always)
    func isSound(ofKey key: TableKey) -> Bool {
        unsafe fits
            && cpmem_record_answers(
                base.assumingMemoryBound(to: cpmem_record.self), key.bytes.baseAddress,
                key.bytes.count, key.table.rawValue, extent.salt, location.units)
    }

    @inline(__always)
    func hasKey(_ other: TableKey) -> Bool {
        table == other.table && key.hasSameBytes(as: other.bytes)
    }
}

/// A record about to be written: its bytes as they will stand on the medium.
@safe
struct RecordDraft {
    private var header: cpmem_record
    /// Zero where there is to be none.
    private let word: UInt64
    let key: ByteView
    let value: ByteView

    @inline(__always)
    init(
        kind: RecordKind, key: TableKey, value: ByteView, sequence: SequenceNumber,
        batchRemaining: UInt32
    ) {
        self.key = key.bytes
        self.value = value
        word = UInt64(key.table.rawValue)
        let isExtended = word != 0
        header = cpmem_record(
            header_checksum: 0, value_checksum: 0, sequence: sequence.rawValue,
            durable_units: 0, batch_remaining: batchRemaining,
            shape: cpmem_shape(
                kind.rawValue | (isExtended ? RecordKind.extended : 0), UInt32(key.bytes.count),
                UInt64(value.count)))
    }

    /// Bytes in front of the key.
    @inline(__always)
    var headerSize: Int { RecordLayout.headerSize &+ Int(cpmem_shape_extension(header.shape)) }

    /// Whether no other record of the same batch follows.
    var isLastOfBatch: Bool { header.batch_remaining == 0 }

    /// Fixes the value and the place: the checksum holds at this location in this life only.
    @inline(__always)
    mutating func seal(
        at location: Location, salt: UInt64, durableEnd: Units, valueChecksum: UInt32
    ) {
        header.value_checksum = valueChecksum
        header.durable_units = UInt32(truncatingIfNeeded: durableEnd.count)
        header.header_checksum = unsafe withUnsafePointer(to: header) {
            unsafe word == 0
                ? cpmem_header_checksum(
                    $0, key.baseAddress, UInt32(key.count), salt, location.units)
                : cpmem_extended_checksum(
                    $0, word, key.baseAddress, UInt32(key.count), salt, location.units)
        }
    }

    /// Writes the whole record in whole units, zeroes behind its end.
    ///
    /// - Parameter staging: room for all of its units.
    @unsafe @inline(__always)
    func write(to staging: UnsafeMutableRawPointer, units: Units) {
        // What is behind the end lies in the last line.
        unsafe cpmem_zero_line(staging + (units.bytes &- Geometry.line))
        unsafe staging.storeBytes(of: header, as: cpmem_record.self)
        if word != 0 {
            unsafe staging.storeBytes(
                of: word, toByteOffset: RecordLayout.headerSize, as: UInt64.self)
        }
        let end = headerSize
        unsafe Self.copy(key, to: staging + end)
        unsafe Self.copy(value, to: staging + (end &+ key.count))
    }

    /// Gives what stands in front of the key to body.
    func withHeader(_ body: (ByteView) -> Void) {
        var both = (header, word)
        unsafe withUnsafeBytes(of: &both) { unsafe body(ByteView($0).prefix(headerSize)) }
    }

    @inline(__always)
    private static func copy(_ bytes: ByteView, to target: UnsafeMutableRawPointer) {
        if bytes.count > 0 {
            unsafe target.copyMemory(
                from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
        }
    }
}
