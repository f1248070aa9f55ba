import CPmem

/// The two copies of the superblock.
///
/// Invariants:
/// - An update writes the copy that is not the newest, with a higher counter, then drains; a torn
///   write leaves the other copy valid.
/// - Magic, version and checksum lie at the same bytes in every format version, so that a pool of
///   another version is told apart from a damaged one.
struct SuperblockPair {
    private(set) var block: cpmem_superblock
    /// Which copy is the newest.
    private var newest: Int
    /// Copies that did not pass their checksum when the pool was opened.
    let damagedCopies: [Int]

    init(creating block: cpmem_superblock) {
        self.block = block
        newest = 1
        damagedCopies = []
    }

    /// What one copy looks like.
    private enum Copy {
        case valid(cpmem_superblock)
        case newerVersion(UInt32)
        case damaged
        case foreign
    }

    /// Reads both copies and takes the newest valid one.
    init(reading medium: Medium, path: String) throws(StoreError) {
        var best: (block: cpmem_superblock, copy: Int)?
        var damaged: [Int] = []
        var sawMagic = false
        for copy in 0..<2 {
            switch try Self.read(copy, medium) {
            case .valid(let block):
                sawMagic = true
                if best.map({ block.update_counter > $0.block.update_counter }) ?? true {
                    best = (block, copy)
                }
            case .newerVersion(let version):
                throw StoreError(
                    .unsupportedVersion,
                    """
                    \(path) has format version \(version); this program reads version \
                    \(CPMEM_FORMAT_VERSION): use the program that wrote it, or dump and load
                    """)
            case .damaged:
                sawMagic = true
                damaged.append(copy)
            case .foreign:
                damaged.append(copy)
            }
        }
        guard let best else {
            throw sawMagic
                ? StoreError(
                    .corrupt,
                    "both superblock copies of \(path) are damaged; 'pmemkv repair' "
                        + "salvages what is readable")
                : StoreError(.notAPool, "\(path) is not a pool: it has no superblock")
        }
        guard best.block.incompatible_features == 0 else {
            throw StoreError(
                .unsupportedVersion,
                """
                \(path) (format version \(best.block.version)) uses features \
                0x\(String(best.block.incompatible_features, radix: 16)), which this program \
                (format version \(CPMEM_FORMAT_VERSION), features 0x0) does not know
                """)
        }
        block = best.block
        newest = best.copy
        damagedCopies = damaged
    }

    private static func read(_ copy: Int, _ medium: Medium) throws(StoreError) -> Copy {
        let size = MemoryLayout<cpmem_superblock>.size
        return try medium.withBytes(
            at: copy * Int(CPMEM_SUPERBLOCK_STRIDE), count: size
        ) { bytes in
            let block = bytes.loadUnaligned(as: cpmem_superblock.self)
            guard block.magic == CPMEM_MAGIC else { return .foreign }
            guard checksum(of: block) == block.checksum else { return .damaged }
            guard block.version == UInt32(CPMEM_FORMAT_VERSION) else {
                return .newerVersion(block.version)
            }
            guard
                max(block.update_counter, block.sequence_limit) < RecordLayout.sequenceEnd
            else { return .damaged }
            return .valid(block)
        }
    }

    private static func checksum(of block: cpmem_superblock) -> UInt32 {
        var copy = block
        copy.checksum = 0
        return withUnsafeBytes(of: &copy) { cpmem_crc32c($0.baseAddress, $0.count) }
    }

    /// Changes the block and makes the change durable.
    mutating func update(
        _ medium: Medium, _ change: (inout cpmem_superblock) -> Void
    ) throws(StoreError) {
        var next = block
        change(&next)
        next.update_counter += 1
        next.checksum = Self.checksum(of: next)
        let copy = 1 - newest
        withUnsafeBytes(of: &next) {
            medium.copy($0, to: copy * Int(CPMEM_SUPERBLOCK_STRIDE), site: .superblock)
        }
        try medium.drain(site: .superblockDrain)
        block = next
        newest = copy
    }
}
