import CPmem

/// An extent in use, as its line of the segment table describes it.
struct Extent: Sendable {
    let first: SegmentNumber
    let life: LifeWord
    let salt: UInt64
    /// Where the records end, once the extent is sealed.
    let sealedEnd: Units?
    /// How far a clean close proved an extent durable that it left open (I14).
    let provenEnd: Units

    var span: Int { life.span }
}

extension Geometry {
    // The words of a segment's line, each replaced by one atomic store.

    @inline(__always)
    func lineOffset(of segment: SegmentNumber) -> Int {
        tableOffset + segment.rawValue * Self.line
    }
    func lifeOffset(of segment: SegmentNumber) -> Int {
        lineOffset(of: segment) + MemoryLayout<cpmem_segment_line>.offset(of: \.life)!
    }
    func sealOffset(of segment: SegmentNumber) -> Int {
        lineOffset(of: segment) + MemoryLayout<cpmem_segment_line>.offset(of: \.seal)!
    }
    func tailOffset(of segment: SegmentNumber) -> Int {
        lineOffset(of: segment) + MemoryLayout<cpmem_segment_line>.offset(of: \.tail)!
    }

    /// Units of an extent of so many segments.
    func units(ofSpan span: Int) -> Units { span * segmentUnits }
}

/// The segment table, read: the one parser of it.
///
/// A line whose life word is not valid says nothing. The lines inside an extent keep a life word of
/// their own, which their own next life goes on from: damage there is damage as well, though the
/// extent's records can still be found.
struct SegmentTable {
    /// The life word of each segment; nil where the line is damaged.
    private(set) var lives: [LifeWord?] = []
    /// Extents of log and checkpoint, ascending.
    private(set) var extents: [Extent] = []
    /// Damaged lines that no extent reaches over: what these segments hold is unknown.
    private(set) var unknown: [SegmentNumber] = []
    /// Damaged lines inside extents.
    private(set) var damagedInside: [SegmentNumber] = []

    /// Parses the lines of so many segments, which are all.
    init(_ bytes: ByteView, segments count: Int, geometry: Geometry, poolID: UInt64) {
        lives.reserveCapacity(count)
        var inside = SegmentNumber(0)
        for segment in SegmentNumber(0)..<SegmentNumber(count) {
            let line = bytes.load(cpmem_segment_line.self, at: segment.rawValue * Geometry.line)
            let life = LifeWord(rawValue: line.life)
            let isInside = segment < inside
            guard life.isValid(poolID: poolID, segment: segment), let state = life.state,
                isInside || segment.rawValue + life.span <= count
            else {
                lives.append(nil)
                if isInside { damagedInside.append(segment) } else { unknown.append(segment) }
                continue
            }
            lives.append(life)
            guard !isInside, state != .free else { continue }
            inside = segment + life.span
            let own = bytes.dropFirst(segment.rawValue * Geometry.line)
            extents.append(Self.extent(segment, life, own, geometry, poolID: poolID))
        }
    }

    /// The extent that reaches over each segment; nil for free ones.
    func extentOfEachSegment() -> [Extent?] {
        var result = [Extent?](repeating: nil, count: lives.count)
        for extent in extents {
            for segment in extent.first..<(extent.first + extent.span) {
                result[segment.rawValue] = extent
            }
        }
        return result
    }

    /// The extent that begins with a segment of this life, by the bytes of the segment's line.
    ///
    /// A seal or a tail that is not of this life, or ends outside the extent, says nothing.
    static func extent(
        _ segment: SegmentNumber, _ life: LifeWord, _ bytes: ByteView, _ geometry: Geometry,
        poolID: UInt64
    ) -> Extent {
        let line = bytes.load(cpmem_segment_line.self, at: 0)
        let salt = life.salt(poolID: poolID, segment: segment)
        let capacity = geometry.units(ofSpan: life.span)
        let seal = SealWord(rawValue: line.seal)
        let tail = TailWord(rawValue: line.tail)
        let isSealed = seal.isValid(salt: salt) && seal.end <= capacity
        let isProven = tail.isValid(salt: salt) && tail.end <= capacity
        return Extent(
            first: segment, life: life, salt: salt, sealedEnd: isSealed ? seal.end : nil,
            provenEnd: isProven ? tail.end : .zero)
    }

    /// Gives body the lines of so many free segments that were never used.
    static func withNewLines<R>(
        _ segments: Range<SegmentNumber>, poolID: UInt64, _ body: (ByteView) -> R
    ) -> R {
        let lines = segments.map { segment in
            var line = cpmem_segment_line()
            line.life = LifeWord.unused(poolID: poolID, segment: segment).rawValue
            return line
        }
        return unsafe lines.withUnsafeBytes { unsafe body(ByteView($0)) }
    }
}
