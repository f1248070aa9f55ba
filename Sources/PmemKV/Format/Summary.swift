import CPmem

/// One record of a sealed extent, as its summary lists it.
typealias SummaryEntry = cpmem_summary_entry

extension SummaryEntry {
    @inline(__always)
    init(hash: KeyHash, sequence: SequenceNumber, offset: Units, units: Units, kind: RecordKind) {
        self.init(
            key_hash: hash.rawValue, sequence: sequence.rawValue,
            offset_units: UInt32(truncatingIfNeeded: offset.count),
            kind_and_units: UInt32(truncatingIfNeeded: units.count)
                | kind.summaryBits)
    }

    func isSame(as other: SummaryEntry) -> Bool {
        (key_hash, sequence, offset_units, kind_and_units)
            == (other.key_hash, other.sequence, other.offset_units, other.kind_and_units)
    }

    @inline(__always)
    var hash: KeyHash { KeyHash(rawValue: key_hash) }
    @inline(__always)
    var number: SequenceNumber { SequenceNumber(sequence) }
    /// From the start of the extent.
    @inline(__always)
    var offset: Units { Units(Int(offset_units)) }
    @inline(__always)
    var units: Units { Units(Int(kind_and_units & RecordKind.summaryUnits)) }
    @inline(__always)
    var kind: RecordKind { RecordKind(summaryBits: kind_and_units) }
}

/// The summary behind the last record of a sealed extent.
enum Summary {
    fileprivate static let headerSize = MemoryLayout<cpmem_summary>.size
    static let entrySize = MemoryLayout<SummaryEntry>.size
    private static let checksumOffset = MemoryLayout<cpmem_summary>.offset(of: \.checksum)!

    /// Units of a summary with this many entries.
    @inline(__always)
    static func units(entries: Int) -> Units {
        Units(roundingUp: headerSize + entries * entrySize)
    }

    /// Gives the bytes of a summary to body, whole units.
    static func withBytes<R>(
        of entries: Span<SummaryEntry>, salt: UInt64, _ body: (ByteView) -> R
    ) -> R {
        let size = units(entries: entries.count).bytes
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { unsafe buffer.deallocate() }
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
        var header = cpmem_summary()
        header.magic = CPMEM_SUMMARY_MAGIC
        header.count = UInt32(entries.count)
        header.minimum_sequence = .max
        for index in entries.indices {
            let entry = entries[index]
            header.minimum_sequence = min(header.minimum_sequence, entry.sequence)
            header.maximum_sequence = max(header.maximum_sequence, entry.sequence)
            unsafe buffer.storeBytes(
                of: entry, toByteOffset: headerSize + index * entrySize, as: SummaryEntry.self)
        }
        unsafe buffer.storeBytes(of: header, as: cpmem_summary.self)
        let bytes = unsafe ByteView(UnsafeRawBufferPointer(buffer))
        unsafe buffer.storeBytes(
            of: checksum(bytes, count: entries.count, salt: salt), toByteOffset: checksumOffset,
            as: UInt32.self)
        return body(bytes)
    }

    /// The entries of the summary in these bytes; nil when it is not a whole one of this life, or
    /// says what no extent with records up to `end` could hold.
    static func entries(in bytes: ByteView, salt: UInt64, end: Units) -> [SummaryEntry]? {
        SummaryView(bytes, salt: salt, end: end).map { [SummaryEntry]($0) }
    }

    /// How many entries a summary says it has, at most as many as records up to `end` can be:
    /// nothing else of it has been looked at.
    static func claimedCount(in bytes: ByteView, end: Units) -> Int {
        guard bytes.count >= headerSize else { return 0 }
        return min(Int(bytes.load(cpmem_summary.self, at: 0).count), end.count)
    }

    /// CRC32C over salt, the header without its checksum, and the entries.
    fileprivate static func checksum(_ bytes: ByteView, count: Int, salt: UInt64) -> UInt32 {
        let length = headerSize + count * entrySize
        return SaltedChecksum.of([bytes.prefix(length)], salt, leavingOutAt: checksumOffset)
    }
}

/// The entries of a summary as they lie in memory, checked.
///
/// A handle: valid as long as its bytes are.
struct SummaryView: RandomAccessCollection {
    let count: Int
    private let listed: ByteView

    /// Nil when the bytes hold no whole summary of this life, or one that says what no extent with
    /// records up to `end` could hold.
    init?(_ bytes: ByteView, salt: UInt64, end: Units) {
        guard bytes.count >= Summary.headerSize else { return nil }
        let header = bytes.load(cpmem_summary.self, at: 0)
        count = Int(header.count)
        guard header.magic == CPMEM_SUMMARY_MAGIC,
            Summary.units(entries: count).bytes <= bytes.count,
            Summary.checksum(bytes, count: count, salt: salt) == header.checksum
        else { return nil }
        listed = bytes.dropFirst(Summary.headerSize)
        let arePossible = allSatisfy {
            $0.units > .zero && $0.offset + $0.units <= end && $0.number < .end
        }
        guard arePossible else { return nil }
    }

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    @inline(__always)
    subscript(number: Int) -> SummaryEntry {
        listed.load(SummaryEntry.self, at: number &* Summary.entrySize)
    }
}
