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
    fileprivate static let checksumOffset = MemoryLayout<cpmem_summary>.offset(of: \.checksum)!

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
        guard var reader = SummaryReader(bytes, room: bytes.count, salt: salt, end: end) else {
            return nil
        }
        reader.read(bytes.slice(reader.piece(entries: .max)))
        return reader.entries
    }

    /// CRC32C over salt, the header without its checksum, and the entries.
    private static func checksum(_ bytes: ByteView, count: Int, salt: UInt64) -> UInt32 {
        var checksum = RunningChecksum(salt: salt)
        checksum.add(
            bytes.prefix(headerSize + count * entrySize), leavingOutAt: checksumOffset)
        return checksum.value
    }
}

/// Reads a summary piece by piece. What was read counts when all was.
struct SummaryReader {
    private let header: cpmem_summary
    private let end: Units
    private var checksum: RunningChecksum
    private var arePossible = true
    private var list: [SummaryEntry] = []
    /// Whether there are tombstones among the entries read so far.
    private(set) var hasTombstones = false

    private var count: Int { Int(header.count) }

    /// Where the header stands, in bytes from the beginning of the summary.
    static let headerBytes = 0..<Summary.headerSize

    /// Begins with the header; nil when these bytes are none, or it states more entries than there
    /// is room for.
    ///
    /// - Parameters:
    ///   - bytes: the summary, or the beginning of it.
    ///   - room: bytes from where it begins to the end of its extent.
    ///   - end: where the records of the extent end.
    init?(_ bytes: ByteView, room: Int, salt: UInt64, end: Units) {
        guard bytes.count >= Summary.headerSize else { return nil }
        header = bytes.load(cpmem_summary.self, at: 0)
        guard header.magic == CPMEM_SUMMARY_MAGIC,
            Summary.units(entries: Int(header.count)).bytes <= room
        else { return nil }
        self.end = end
        checksum = RunningChecksum(salt: salt)
        checksum.add(
            bytes.prefix(Summary.headerSize), leavingOutAt: Summary.checksumOffset)
        list.reserveCapacity(count)
    }

    var isDone: Bool { list.count == count }
    var entriesRead: Int { list.count }

    /// Where the next so many entries stand, in bytes from the beginning of the summary.
    func piece(entries most: Int) -> Range<Int> {
        let start = Summary.headerSize + list.count * Summary.entrySize
        return start..<start + min(most, count - list.count) * Summary.entrySize
    }

    /// Goes on with the bytes of the next ``piece(entries:)``.
    mutating func read(_ bytes: ByteView) {
        checksum.add(bytes)
        let read = list.count
        let size = Summary.entrySize
        list.append(
            contentsOf: (0..<bytes.count / size).lazy.map {
                bytes.load(SummaryEntry.self, at: $0 &* size)
            })
        var arePossible = arePossible
        var hasTombstones = hasTombstones
        for entry in list[read...] {
            let isPossible =
                entry.units > .zero && entry.offset + entry.units <= end && entry.number < .end
            arePossible = arePossible && isPossible
            hasTombstones = hasTombstones || !entry.kind.isFound
        }
        self.arePossible = arePossible
        self.hasTombstones = hasTombstones
    }

    /// All entries; nil when they are not what was written, or no extent could hold them.
    var entries: [SummaryEntry]? {
        isDone && arePossible && checksum.value == header.checksum ? list : nil
    }
}
