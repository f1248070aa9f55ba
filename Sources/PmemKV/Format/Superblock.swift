import CPmem

/// The superblock: what a pool is, and where everything else in it lies.
///
/// Invariants:
/// - Magic, version and checksum lie at the same bytes in every format version, so that a pool of
///   another version is told apart from a damaged one.
/// - There are two copies; the valid one with the higher counter counts. An update writes the other
///   one (see ``Superblocks``), so that a torn write leaves a valid copy.
package struct Superblock: Sendable {
    var raw: cpmem_superblock

    /// The index checkpoint, as the superblock names it.
    struct CheckpointName: Equatable {
        var segment: UInt64
        var generation: UInt64
        /// Bytes.
        var length: UInt64
    }

    /// What a program has to know to open the pool.
    struct Features: OptionSet {
        let rawValue: UInt64
        /// Batches may go on from one extent to another (I11).
        static let spanningBatches = Features(rawValue: CPMEM_FEATURE_SPANNING_BATCHES)
        /// There are, or were, named tables, or the unnamed one was cleared: records may have
        /// extensions, and a catalog tells which of them count.
        static let tables = Features(rawValue: CPMEM_FEATURE_TABLES)
        /// The pool is being filled with what it is to be a copy of. Programs that do not know of
        /// it refuse the pool, too.
        static let incomplete = Features(rawValue: CPMEM_FEATURE_INCOMPLETE)
        /// Those that this program knows.
        static let known: Features = [.spanningBatches, .tables, .incomplete]
    }

    static let copies = 2
    static let byteCount = MemoryLayout<cpmem_superblock>.size
    static func offset(ofCopy copy: Int) -> Int { copy * Int(CPMEM_SUPERBLOCK_STRIDE) }

    /// The superblock of a new, empty pool.
    init(
        creating geometry: Geometry, size: PoolSize, poolID: UInt64, created: UInt64,
        isIncomplete: Bool
    ) {
        raw = cpmem_superblock()
        raw.magic = CPMEM_MAGIC
        raw.version = UInt32(CPMEM_FORMAT_VERSION)
        raw.pool_id = poolID
        raw.pool_size = UInt64(size.bytes)
        raw.segment_size = UInt64(geometry.segmentSize)
        raw.segment_count = UInt64(size.segments)
        raw.table_offset = UInt64(geometry.tableOffset)
        raw.data_offset = UInt64(geometry.dataOffset)
        if !geometry.impliesLimit(segments: size.segments) {
            raw.segment_limit = UInt64(geometry.segmentLimit)
        }
        raw.created = created
        sequenceLimit = SequenceNumber(1)
        checkpoint = nil
        isClean = true
        if isIncomplete { features.insert(.incomplete) }
    }

    private init(raw: cpmem_superblock) { self.raw = raw }

    package var poolID: UInt64 { raw.pool_id }
    var poolSize: UInt64 { raw.pool_size }
    var updateCounter: UInt64 { raw.update_counter }

    /// Makes the pool larger. The limit is stated from now on: one that is implied would grow, too.
    mutating func grow(to size: PoolSize, limit: Int) {
        raw.pool_size = UInt64(size.bytes)
        raw.segment_count = UInt64(size.segments)
        raw.segment_limit = UInt64(limit)
    }

    var features: Features {
        get { Features(rawValue: raw.incompatible_features) }
        set { raw.incompatible_features = newValue.rawValue }
    }

    /// Whether the last user closed the pool.
    var isClean: Bool {
        get { raw.state == UInt64(CPMEM_POOL_CLEAN.rawValue) }
        set { raw.state = UInt64((newValue ? CPMEM_POOL_CLEAN : CPMEM_POOL_OPEN).rawValue) }
    }

    /// Every sequence number ever used is below it (I5).
    var sequenceLimit: SequenceNumber {
        get { SequenceNumber(raw.sequence_limit) }
        set { raw.sequence_limit = newValue.rawValue }
    }

    var checkpoint: CheckpointName? {
        get {
            guard raw.checkpoint_segment != CPMEM_NO_CHECKPOINT else { return nil }
            return CheckpointName(
                segment: raw.checkpoint_segment, generation: raw.checkpoint_generation,
                length: raw.checkpoint_length)
        }
        set {
            raw.checkpoint_segment = newValue?.segment ?? CPMEM_NO_CHECKPOINT
            // Without a name the other two words say nothing and stay as they are.
            guard let newValue else { return }
            raw.checkpoint_generation = newValue.generation
            raw.checkpoint_length = newValue.length
        }
    }

    // MARK: Bytes

    /// Counts the update, puts the checksum right and gives the bytes to body.
    mutating func withUpdatedBytes<R>(_ body: (ByteView) -> R) -> R {
        raw.update_counter += 1
        raw.checksum = Self.checksum(of: raw)
        return unsafe withUnsafeBytes(of: &raw) { unsafe body(ByteView($0)) }
    }

    private static func checksum(of block: cpmem_superblock) -> UInt32 {
        var copy = block
        copy.checksum = 0
        return unsafe withUnsafeBytes(of: &copy) { unsafe ByteView($0).checksum }
    }

    /// What one copy looks like.
    enum Copy {
        case valid(Superblock)
        case otherVersion(UInt32)
        /// Does not match its checksum, or states what no pool reaches.
        case damaged(Superblock)
        /// Not a superblock at all.
        case foreign
    }

    /// Parses the bytes of one copy.
    static func parse(_ bytes: ByteView) -> Copy {
        let raw = bytes.load(cpmem_superblock.self, at: 0)
        let block = Superblock(raw: raw)
        guard raw.magic == CPMEM_MAGIC else { return .foreign }
        guard checksum(of: raw) == raw.checksum else { return .damaged(block) }
        guard raw.version == UInt32(CPMEM_FORMAT_VERSION) else {
            return .otherVersion(raw.version)
        }
        guard max(raw.update_counter, raw.sequence_limit) < SequenceNumber.end.rawValue else {
            return .damaged(block)
        }
        return .valid(block)
    }

    /// Refuses a pool that uses features this program does not know, and, unless it is to be
    /// filled, one that is not complete.
    func checkFeatures(path: String, toFill: Bool) throws(StoreError) {
        let unknown = features.subtracting(.known)
        guard unknown.isEmpty else {
            throw StoreError(
                .unsupportedVersion,
                """
                \(path) (format version \(raw.version)) uses features \
                0x\(String(unknown.rawValue, radix: 16)), which this program \
                (format version \(CPMEM_FORMAT_VERSION), features \
                0x\(String(Features.known.rawValue, radix: 16))) does not know
                """)
        }
        guard toFill || !features.contains(.incomplete) else {
            throw StoreError(
                .incomplete,
                """
                \(path) is an incomplete copy: the backup or repair that was filling it did not \
                come to its end; do that again
                """)
        }
    }

    static func unknownVersion(_ version: UInt32, path: String) -> StoreError {
        StoreError(
            .unsupportedVersion,
            """
            \(path) has format version \(version); this program reads version \
            \(CPMEM_FORMAT_VERSION): use the program that wrote it, or dump and load
            """)
    }
}
