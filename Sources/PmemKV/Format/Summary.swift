import CPmem

/// One record of a sealed extent, as its summary lists it.
typealias SummaryEntry = cpmem_summary_entry

extension SummaryEntry {
    @inline(__always)
    init(
        hash: KeyHash, sequence: SequenceNumber, offset: Units, units: Units, kind: RecordKind,
        isExtended: Bool
    ) {
        self.init(
            key_hash: hash.rawValue, sequence: sequence.rawValue,
            offset_units: UInt32(truncatingIfNeeded: offset.count),
            kind_and_units: UInt32(truncatingIfNeeded: units.count)
                | kind.summaryBits | (isExtended ? RecordKind.summaryExtended : 0))
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
    /// Whether the record has an extension, which tells its table.
    @inline(__always)
    var isExtended: Bool { kind_and_units & RecordKind.summaryExtended != 0 }
}

/// The summary behind the last record of a sealed extent.
enum Summary {
    fileprivate static let headerSize = MemoryLayout<cpmem_summary>.size
    static let entrySize = MemoryLayout<SummaryEntry>.size
    fileprivate static let checksumOffset = MemoryLayout<cpmem_summary>.offset(of: \.checksum)!

    /// Units of a summary with this many entries.
    @inline(__always)
    static func units(entries: Int) -> Units {
        Units(roundingUp: bytes(entries: entries))
    }

    /// The same in bytes, before they are made whole units.
    @inline(__always)
    static func bytes(entries: Int) -> Int { headerSize + entries * entrySize }

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
    private static func checksum(_ bytes: ByteView, count: Int, salt: UInt64) -> UInt32 {
        var checksum = RunningChecksum(salt: salt)
        checksum.add(
            bytes.prefix(headerSize + count * entrySize), leavingOutAt: checksumOffset)
        return checksum.value
    }
}

/// What the header of a summary says of the entries behind it.
private struct SummaryHeader {
    let count: Int
    /// Of salt and header; that of all entries is to come to what the header states.
    private(set) var checksum: RunningChecksum
    private let stated: UInt32
    private let end: Units

    /// Nil when these bytes begin with none, or with one of more entries than there is room for.
    init?(_ bytes: ByteView, room: Int, salt: UInt64, end: Units) {
        guard bytes.count >= Summary.headerSize else { return nil }
        let header = bytes.load(cpmem_summary.self, at: 0)
        count = Int(header.count)
        guard header.magic == CPMEM_SUMMARY_MAGIC,
            Summary.units(entries: count).bytes <= room
        else { return nil }
        stated = header.checksum
        self.end = end
        checksum = RunningChecksum(salt: salt)
        checksum.add(bytes.prefix(Summary.headerSize), leavingOutAt: Summary.checksumOffset)
    }

    /// Goes on with the bytes of the next entries.
    mutating func add(_ bytes: ByteView) { checksum.add(bytes) }

    /// Whether what was added is what was written.
    var isRight: Bool { checksum.value == stated }

    /// Whether an extent with records up to the end could hold one like this.
    @inline(__always)
    func allows(_ entry: SummaryEntry) -> Bool {
        entry.units > .zero && entry.offset + entry.units <= end && entry.number < .end
    }
}

/// Reads a summary piece by piece. What was read counts when all was.
struct SummaryReader {
    private var header: SummaryHeader
    private var arePossible = true
    private var list: [SummaryEntry] = []
    /// Whether there are tombstones among the entries read so far.
    private(set) var hasTombstones = false

    /// Where the header stands, in bytes from the beginning of the summary.
    static let headerBytes = 0..<Summary.headerSize

    /// Begins with the header; nil when these bytes are none, or it states more entries than there
    /// is room for.
    ///
    /// - Parameters:
    ///   - bytes: the beginning of the summary.
    ///   - room: bytes from where it begins to the end of its extent.
    ///   - end: where the records of the extent end.
    init?(_ bytes: ByteView, room: Int, salt: UInt64, end: Units) {
        guard let header = SummaryHeader(bytes, room: room, salt: salt, end: end) else {
            return nil
        }
        self.header = header
        list.reserveCapacity(header.count)
    }

    var isDone: Bool { list.count == header.count }
    var entriesRead: Int { list.count }

    /// Where the next so many entries stand, in bytes from the beginning of the summary.
    func piece(entries most: Int) -> Range<Int> {
        let start = Summary.headerSize + list.count * Summary.entrySize
        return start..<start + min(most, header.count - list.count) * Summary.entrySize
    }

    /// Goes on with the bytes of the next ``piece(entries:)``.
    mutating func read(_ bytes: ByteView) {
        header.add(bytes)
        let read = list.count
        let size = Summary.entrySize
        list.append(
            contentsOf: (0..<bytes.count / size).lazy.map {
                bytes.load(SummaryEntry.self, at: $0 &* size)
            })
        var arePossible = arePossible
        var hasTombstones = hasTombstones
        for entry in list[read...] {
            let isPossible = header.allows(entry)
            arePossible = arePossible && isPossible
            hasTombstones = hasTombstones || !entry.kind.isFound
        }
        self.arePossible = arePossible
        self.hasTombstones = hasTombstones
    }

    /// All entries; nil when they are not what was written, or no extent could hold them.
    var entries: [SummaryEntry]? { isDone && arePossible && header.isRight ? list : nil }
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
        guard var header = SummaryHeader(bytes, room: bytes.count, salt: salt, end: end) else {
            return nil
        }
        count = header.count
        listed = bytes.dropFirst(Summary.headerSize).prefix(count * Summary.entrySize)
        header.add(listed)
        guard header.isRight, allSatisfy(header.allows) else { return nil }
    }

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    @inline(__always)
    subscript(number: Int) -> SummaryEntry {
        listed.load(SummaryEntry.self, at: number &* Summary.entrySize)
    }
}
