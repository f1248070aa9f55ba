import CPmem

/// Something in a pool that is not as it should be.
public struct Damage: Sendable, Equatable {
    /// What is damaged.
    public enum Kind: String, Sendable {
        /// A superblock copy; the other one serves.
        case superblock
        /// A line of the segment table: what the segment holds is unknown.
        case segmentLine = "segment-line"
        /// A summary; its records can still be walked.
        case summary
        /// The index checkpoint; the index is rebuilt from the log instead.
        case checkpoint
        /// A record whose key is readable and whose value is not.
        case value
        /// A place where a record was, of which not even the key is readable.
        case record
        /// Bytes that the medium does not give back.
        case unreadable
    }

    public var kind: Kind
    /// Bytes from the start of the pool.
    public var offset: Int
    /// The segment it lies in; nil outside the segments.
    public var segment: Int?
    /// The key concerned, where it is known.
    public var key: [UInt8]?
    /// A sentence for a person.
    public var reason: String
}

/// A look at all of a pool that stops at no damage: what check reports and repair reads from.
///
/// Invariants: nothing is written; every length and number is checked before use; bytes that
/// cannot be read count as zeroes and are reported.
struct PoolSurvey {
    struct Extent {
        let segment: Int
        let span: Int
        let salt: UInt64
        let state: LifeWord.State
        /// End in units when it is sealed.
        let sealedEnd: Int?
        /// Units that a clean close proved durable.
        var tailEnd = 0
    }

    let medium: any PersistentMedium
    let path: String
    private(set) var block = cpmem_superblock()
    private(set) var geometry: Geometry
    private(set) var extents: [Extent] = []
    private(set) var damage: [Damage] = []
    /// Segments whose line is damaged.
    private(set) var unknownSegments: [Int] = []

    init(_ medium: any PersistentMedium, path: String) throws(StoreError) {
        self.medium = medium
        self.path = path
        let found = try Self.findSuperblock(medium, path: path)
        block = found.block
        geometry = found.geometry
        damage = found.damage
        readTable()
    }

    /// The best superblock there is: a valid copy, else one whose geometry is at least possible.
    private static func findSuperblock(
        _ medium: any PersistentMedium, path: String
    ) throws(StoreError) -> (block: cpmem_superblock, geometry: Geometry, damage: [Damage]) {
        do throws(StoreError) {
            let pair = try SuperblockPair(reading: Medium(medium), path: path)
            guard let geometry = Geometry(pair.block, mediumSize: medium.size) else {
                throw StoreError(.corrupt, "the superblock of \(path) states an impossible size")
            }
            return (pair.block, geometry, pair.damagedCopies.map(superblockDamage))
        } catch {
            guard error.code == .corrupt || error.code == .media else { throw error }
            for copy in 0..<2 {
                let bytes = TolerantReader(medium).read(
                    at: copy * Int(CPMEM_SUPERBLOCK_STRIDE), count: 256
                ).bytes
                let block = bytes.withUnsafeBytes { $0.loadUnaligned(as: cpmem_superblock.self) }
                if block.magic == CPMEM_MAGIC,
                    let geometry = Geometry(block, mediumSize: medium.size)
                {
                    return (block, geometry, [superblockDamage(0), superblockDamage(1)])
                }
            }
            throw error
        }
    }

    private static func superblockDamage(_ copy: Int) -> Damage {
        Damage(
            kind: .superblock, offset: copy * Int(CPMEM_SUPERBLOCK_STRIDE), segment: nil,
            reason: "superblock copy \(copy) does not match its checksum")
    }

    private mutating func readTable() {
        let table = TolerantReader(medium).read(
            at: geometry.tableOffset, count: geometry.segmentCount * Geometry.line)
        note(table.unreadable)
        var segment = 0
        while segment < geometry.segmentCount {
            let line = table.bytes.withUnsafeBytes {
                $0.loadUnaligned(
                    fromByteOffset: segment * Geometry.line, as: cpmem_segment_line.self)
            }
            let life = LifeWord(rawValue: line.life)
            guard life.isValid(poolID: block.pool_id, segment: segment), let state = life.state,
                segment + life.span <= geometry.segmentCount
            else {
                unknownSegments.append(segment)
                damage.append(
                    Damage(
                        kind: .segmentLine, offset: geometry.line(ofSegment: segment),
                        segment: segment,
                        reason: "the table line of segment \(segment) is damaged"))
                segment += 1
                continue
            }
            if state != .free {
                extents.append(extent(segment, life, state, line))
            }
            segment += state == .free ? 1 : life.span
        }
    }

    private func extent(
        _ segment: Int, _ life: LifeWord, _ state: LifeWord.State,
        _ line: cpmem_segment_line
    ) -> Extent {
        let salt = cpmem_salt(block.pool_id, UInt32(segment), life.generation)
        let seal = SealWord(rawValue: line.seal)
        let tail = TailWord(rawValue: line.tail)
        let isSealed =
            seal.isValid(salt: salt) && seal.endUnits <= life.span * geometry.segmentUnits
        return Extent(
            segment: segment, span: life.span, salt: salt, state: state,
            sealedEnd: isSealed ? seal.endUnits : nil,
            tailEnd: tail.isValid(salt: salt) ? tail.endUnits : 0)
    }

    private mutating func note(_ unreadable: [Int]) {
        for offset in unreadable {
            damage.append(
                Damage(
                    kind: .unreadable, offset: offset,
                    segment: segment(ofOffset: offset),
                    reason: "the medium does not give back the 4096 bytes at \(offset)"))
        }
    }

    private func segment(ofOffset offset: Int) -> Int? {
        let segment = (offset - geometry.dataOffset) / geometry.segmentSize
        return offset >= geometry.dataOffset && segment < geometry.segmentCount ? segment : nil
    }

    // MARK: Extents

    /// Calls body with each record of a log extent that is committed and whole. Records with a
    /// damaged value, and places where nothing is readable, are noted.
    mutating func forEachRecord(
        in extent: Extent, _ body: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        let start = geometry.offset(ofSegment: extent.segment)
        let capacity = extent.span * geometry.segmentUnits
        let read = TolerantReader(medium).read(at: start, count: capacity * 64)
        note(read.unreadable)
        let seed = block.pool_id
        let first = geometry.firstLocation(ofSegment: extent.segment).units
        let contents = try read.bytes.withStoreBytes { bytes throws(StoreError) in
            var walk = ExtentWalk(
                bytes: bytes, limit: extent.sealedEnd ?? capacity,
                proven: extent.sealedEnd ?? extent.tailEnd, firstLocation: first, salt: extent.salt,
                seed: seed)
            walk.run(from: 0)
            let damaged = Set(walk.contents.damagedValues)
            for entry in walk.contents.entries {
                let view = RecordView(
                    base: bytes.baseAddress! + Int(entry.offset_units) * 64,
                    location: Location(units: first + UInt64(entry.offset_units)))
                if damaged.contains(Int(entry.offset_units)) {
                    self.noteValue(view, extent)
                } else {
                    try body(view)
                }
            }
            return walk.contents
        }
        for units in contents.lost {
            damage.append(
                Damage(
                    kind: .record, offset: start + units * 64, segment: extent.segment,
                    reason: "a durable record is unreadable, its key included"))
        }
        if let end = extent.sealedEnd {
            checkSummary(extent, read.bytes, end: end)
        }
    }

    private mutating func noteValue(_ view: RecordView, _ extent: Extent) {
        damage.append(
            Damage(
                kind: .value, offset: view.location.offset, segment: extent.segment,
                key: [UInt8](view.key), reason: "the value does not match its checksum"))
    }

    private mutating func checkSummary(_ extent: Extent, _ bytes: [UInt8], end: Int) {
        let isWhole = bytes.withUnsafeBytes {
            SummaryView(
                UnsafeRawBufferPointer(rebasing: $0[(end * 64)...]), salt: extent.salt,
                endUnits: end) != nil
        }
        if !isWhole {
            damage.append(
                Damage(
                    kind: .summary,
                    offset: geometry.offset(ofSegment: extent.segment) + end * 64,
                    segment: extent.segment,
                    reason: "the summary is damaged; the records are walked instead"))
        }
    }

    /// Notes a checkpoint that the superblock names and that is not whole.
    mutating func checkCheckpoint() {
        guard block.checkpoint_segment != CPMEM_NO_CHECKPOINT else { return }
        let named = extents.first {
            UInt64($0.segment) == block.checkpoint_segment && $0.state == .checkpoint
        }
        var isWhole = false
        if let named, let length = Int(exactly: block.checkpoint_length),
            length <= named.span * geometry.segmentSize
        {
            let read = TolerantReader(medium).read(
                at: geometry.offset(ofSegment: named.segment), count: length)
            note(read.unreadable)
            isWhole = read.bytes.withUnsafeBytes {
                unsafe CheckpointView(
                    $0, salt: named.salt, segmentCount: geometry.segmentCount) != nil
            }
        }
        if !isWhole {
            let offset = named.map { geometry.offset(ofSegment: $0.segment) } ?? 0
            damage.append(
                Damage(
                    kind: .checkpoint, offset: offset, segment: named?.segment,
                    reason: "the index checkpoint is damaged; the log is replayed instead"))
        }
    }

    /// A guess at the life of a segment whose line is damaged: the generation under which a
    /// record at its start verifies.
    func guess(_ segment: Int) -> Extent? {
        let start = geometry.offset(ofSegment: segment)
        let bytes = TolerantReader(medium).read(at: start, count: geometry.segmentSize).bytes
        let location = geometry.firstLocation(ofSegment: segment)
        return bytes.withUnsafeBytes { bytes -> Extent? in
            let view = RecordView(base: bytes.baseAddress!, location: location)
            guard view.units <= geometry.segmentUnits else { return nil }
            for generation in 0..<UInt32(1 << 20) {
                let salt = cpmem_salt(block.pool_id, UInt32(segment), generation)
                if view.verifyHeader(salt: salt) {
                    return Extent(
                        segment: segment, span: 1, salt: salt, state: .log, sealedEnd: nil)
                }
            }
            return nil
        }
    }
}

/// Reads ranges of which parts may be lost, page by page where a whole read fails.
struct TolerantReader {
    let medium: any PersistentMedium
    init(_ medium: any PersistentMedium) { self.medium = medium }

    private static let block = 4096

    /// The bytes, zeroes where the medium gives none, and the offsets of such blocks.
    func read(at offset: Int, count: Int) -> (bytes: [UInt8], unreadable: [Int]) {
        var bytes = [UInt8](repeating: 0, count: count)
        var unreadable: [Int] = []
        bytes.withUnsafeMutableBytes { buffer in
            if tryRead(offset, buffer) { return }
            var start = 0
            while start < count {
                let end = min(
                    count, (offset + start) / Self.block * Self.block + Self.block - offset)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<end])
                if !tryRead(offset + start, part) {
                    part.initializeMemory(as: UInt8.self, repeating: 0)
                    unreadable.append(offset + start)
                }
                start = end
            }
        }
        return (bytes, unreadable)
    }

    /// A read counts only when the medium reported no fault meanwhile.
    private func tryRead(_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let faults = medium.faultCount
        do throws(StoreError) {
            try medium.read(at: offset, into: buffer)
        } catch {
            return false
        }
        return medium.faultCount == faults
    }
}
