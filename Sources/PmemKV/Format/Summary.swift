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
    private static let headerSize = MemoryLayout<cpmem_summary>.size
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
        guard bytes.count >= headerSize else { return nil }
        let header = bytes.load(cpmem_summary.self, at: 0)
        let count = Int(header.count)
        guard header.magic == CPMEM_SUMMARY_MAGIC, units(entries: count).bytes <= bytes.count,
            checksum(bytes, count: count, salt: salt) == header.checksum
        else { return nil }
        let listed = bytes.dropFirst(headerSize)
        let entries = (0..<count).map { listed.load(SummaryEntry.self, at: $0 * entrySize) }
        let arePossible = entries.allSatisfy {
            $0.units > .zero && $0.offset + $0.units <= end && $0.number < .end
        }
        return arePossible ? entries : nil
    }

    /// CRC32C over salt, the header without its checksum, and the entries.
    private static func checksum(_ bytes: ByteView, count: Int, salt: UInt64) -> UInt32 {
        let length = headerSize + count * entrySize
        return SaltedChecksum.of([bytes.prefix(length)], salt, leavingOutAt: checksumOffset)
    }
}
