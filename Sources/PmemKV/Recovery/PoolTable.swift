/// What a pool says of itself: superblock, geometry, segment table. The one reader of them, for
/// opening (strict) and for checking and repairing (tolerant).
struct PoolTable {
    let superblock: Superblock
    /// The superblock copy that was taken.
    let newestCopy: Int
    /// Copies that are not valid.
    let damagedCopies: [Int]
    let geometry: Geometry
    let size: PoolSize
    let segments: SegmentTable

    /// - Parameter toFill: whether a pool is wanted that is not complete yet.
    /// - Throws: `notAPool`, `unsupportedVersion`, `incomplete`; `corrupt` for what the log
    ///   refuses, and in any mode when not even the geometry is known.
    /// - Complexity: O(segments).
    init(
        reading medium: Medium, path: String, toFill: Bool = false, log: inout DamageLog
    ) throws(StoreError) {
        let copies = try Self.readCopies(medium, &log)
        let candidates = try Self.candidates(copies, path: path, mode: log.mode)
        let damagedCopies = copies.indices.filter {
            if case .valid = copies[$0] { false } else { true }
        }
        guard
            let (block, copy, geometry) = candidates.lazy.compactMap({ block, copy in
                Geometry(block, mediumSize: medium.size).map { (block, copy, $0) }
            }).first
        else {
            let (block, copy) = candidates[0]
            throw Self.impossibleGeometry(
                block, isSound: !damagedCopies.contains(copy), medium, path)
        }
        superblock = block
        newestCopy = copy
        size = PoolSize(block)
        // What cannot come needs no room in DRAM either, not even addresses.
        self.geometry =
            medium.growthObstacle == nil ? geometry : geometry.fixed(segments: size.segments)
        try block.checkFeatures(path: path, toFill: toFill)
        self.damagedCopies = damagedCopies
        for copy in damagedCopies {
            log.note(Self.damage(ofCopy: copy, "does not match its checksum"))
        }
        if let newest = candidates.first, newest.copy != copy, !damagedCopies.contains(newest.copy)
        {
            try log.refuse(Self.damage(ofCopy: newest.copy, "states an impossible geometry"))
        }
        let count = size.segments
        segments = try Self.readRange(
            medium, at: geometry.tableOffset, count: geometry.tableBytes(segments: count), &log
        ) { SegmentTable($0, segments: count, geometry: geometry, poolID: block.poolID) }
        try reportLines(path, &log)
    }

    // MARK: Superblock

    private static func readCopies(
        _ medium: Medium, _ log: inout DamageLog
    ) throws(StoreError) -> [Superblock.Copy] {
        var copies: [Superblock.Copy] = []
        for copy in 0..<Superblock.copies {
            copies.append(
                try readRange(
                    medium, at: Superblock.offset(ofCopy: copy), count: Superblock.byteCount, &log,
                    Superblock.parse))
        }
        return copies
    }

    /// The superblocks that may be taken, the best first: the newest valid one; when nothing else
    /// is left and damage is tolerated, a damaged one whose geometry may still be right.
    private static func candidates(
        _ copies: [Superblock.Copy], path: String, mode: DamageLog.Mode
    ) throws(StoreError) -> [(block: Superblock, copy: Int)] {
        var valid: [(block: Superblock, copy: Int)] = []
        var damaged: [(block: Superblock, copy: Int)] = []
        for (number, copy) in copies.enumerated() {
            switch copy {
            case .valid(let block): valid.append((block, number))
            case .damaged(let block): damaged.append((block, number))
            case .otherVersion(let version):
                throw Superblock.unknownVersion(version, path: path)
            case .foreign: continue
            }
        }
        guard !valid.isEmpty || !damaged.isEmpty else {
            throw StoreError(.notAPool, "\(path) is not a pool: it has no superblock")
        }
        valid.sort { $0.block.updateCounter > $1.block.updateCounter }
        if mode == .tolerant { return valid + damaged }
        guard let newest = valid.first else {
            throw StoreError(
                .corrupt,
                "both superblock copies of \(path) are damaged; 'pmemkv repair' "
                    + "salvages what is readable")
        }
        return [newest]
    }

    private static func damage(ofCopy copy: Int, _ what: String) -> Damage {
        Damage(
            kind: .superblock, offset: Superblock.offset(ofCopy: copy), segment: nil,
            reason: "superblock copy \(copy) \(what)")
    }

    /// A length is advice only when a superblock that is sound states it, and the file is shorter.
    private static func impossibleGeometry(
        _ block: Superblock, isSound: Bool, _ medium: Medium, _ path: String
    ) -> StoreError {
        let size = block.poolSize
        let consequence =
            if medium.size >= size {
                "its geometry is impossible, and what lies where cannot be told"
            } else if isSound {
                """
                the file was truncated; with its length back (truncate -s \(size) \
                \(PoolPath.shellWord(path))) 'pmemkv repair' salvages what is readable
                """
            } else {
                "the superblock is damaged, and the file perhaps truncated"
            }
        return StoreError(
            .corrupt,
            """
            \(path) has \(medium.size) bytes; its superblock speaks of a pool of \(size): \
            \(consequence)
            """)
    }

    // MARK: Table

    /// A damaged line is refused: what its segment holds decides which version of a key is the
    /// newest, and a life that goes on from a wrong generation could bring old records back.
    private func reportLines(_ path: String, _ log: inout DamageLog) throws(StoreError) {
        for segment in segments.unknown + segments.damagedInside {
            let offset = geometry.lineOffset(of: segment)
            try log.refuse(
                Damage(
                    kind: .segmentLine, offset: offset, segment: segment.rawValue,
                    reason: "the table line of segment \(segment) of \(path), at offset "
                        + "\(offset), is damaged"))
        }
    }

    // MARK: Ranges

    /// The segment that a byte of the pool lies in; nil outside the segments.
    func segment(ofOffset offset: Int) -> SegmentNumber? {
        geometry.segment(ofOffset: offset, among: size.segments)
    }

    /// Gives the bytes of a range to body. A tolerant reader notes what the medium does not give
    /// back, and takes it for zeroes.
    ///
    /// - Parameter segment: which segment such a byte lies in.
    static func readRange<R>(
        _ medium: Medium, at offset: Int, count: Int, _ log: inout DamageLog,
        segment: (Int) -> SegmentNumber? = { _ in nil },
        _ body: (ByteView) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        if log.mode == .strict {
            return try medium.withBytes(at: offset, count: count, body)
        }
        let (bytes, unreadable) = TolerantReader(medium: medium).read(
            at: offset, count: count)
        for offset in unreadable {
            log.note(
                Damage(
                    kind: .unreadable, offset: offset,
                    segment: segment(offset)?.rawValue,
                    reason: "the medium does not give back the \(TolerantReader.block) bytes at "
                        + "\(offset)"))
        }
        return try bytes.withByteView(body)
    }
}
