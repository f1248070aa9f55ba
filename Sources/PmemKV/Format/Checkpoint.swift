import CPmem

// The index as a clean close left it on the medium, in an extent of its own (docs/format.md,
// "Index checkpoint"): header, coverage of the segments, state of the shards, buckets, overflow
// buckets. The words of the last three are those of the index in DRAM, so that loading is one
// sequential read. What reads it is CheckpointView.
//
// Invariants (numbers from docs/crash-model.md):
// - I12: a checkpoint is a cache. It is named by the superblock only after it is durable, and it
//   says for each segment which life it knows and how far; whatever is not covered is replayed from
//   the log, and items of another life are dropped. So an old one is never wrong.
// - One checksum, salted with the life of the extent, covers every byte but its own.

/// What a checkpoint knows of the extent that begins with a segment.
struct ExtentCoverage {
    /// The life that it knows.
    var generation: UInt32
    /// How far it knows the extent; zero when no log extent begins here.
    var covered: Units
    /// What the live records there take.
    var live: Units
    var tombstones: Units
    /// The lowest number of a superseded put there.
    var oldestDead: SequenceNumber

    init(
        generation: UInt32, covered: Units, live: Units, tombstones: Units,
        oldestDead: SequenceNumber
    ) {
        self.generation = generation
        self.covered = covered
        self.live = live
        self.tombstones = tombstones
        self.oldestDead = oldestDead
    }

    /// A length that no extent has stays one that no extent has.
    init(_ entry: cpmem_checkpoint_segment) {
        generation = entry.generation
        covered = Units(Int(entry.covered_units))
        live = Units(Int(clamping: entry.live_units))
        tombstones = Units(Int(clamping: entry.tombstone_units))
        oldestDead = SequenceNumber(entry.oldest_dead)
    }

    /// Whether this is still true of the extent that the segment table has there, which may have
    /// grown, but not been freed since.
    func holds(for life: LifeWord, capacity: Units) -> Bool {
        life.state == .log && life.generation == generation && covered > .zero
            && covered <= capacity && live <= covered && tombstones <= covered
    }

    fileprivate var entry: cpmem_checkpoint_segment {
        cpmem_checkpoint_segment(
            generation: generation, covered_units: UInt32(covered.count),
            live_units: UInt64(live.count), tombstone_units: UInt64(tombstones.count),
            oldest_dead: oldestDead.rawValue)
    }
}

/// What a checkpoint knows of a shard besides its buckets.
struct ShardState: Sendable {
    var word: ShardWord
    var items: UInt64
    var freeList: FreeBucketLink

    init(word: ShardWord, items: UInt64, freeList: FreeBucketLink) {
        self.word = word
        self.items = items
        self.freeList = freeList
    }

    init(_ entry: cpmem_checkpoint_shard) {
        word = ShardWord(rawValue: entry.word)
        items = entry.items
        freeList = FreeBucketLink(rawValue: entry.free_list)
    }

    fileprivate var entry: cpmem_checkpoint_shard {
        cpmem_checkpoint_shard(
            word: word.rawValue, items: items, free_list: freeList.rawValue)
    }
}

/// The index as it goes into a checkpoint.
///
/// A handle: the bytes of the buckets belong to somebody else, who leaves them alone meanwhile.
struct IndexImage {
    let shape: IndexShape
    let shards: [ShardState]
    let buckets: ByteView
    let overflow: ByteView
}

/// Where the parts of a checkpoint lie, in bytes from its start. Every part begins on a line.
struct CheckpointLayout: Sendable {
    let segments: Int
    let shards: Int
    let buckets: Int
    let overflow: Int
    let tables: Int
    let segmentsOffset: Int
    let shardsOffset: Int
    let tablesOffset: Int
    let bucketsOffset: Int
    let overflowOffset: Int
    let length: Int

    /// - Parameter tables: the highest number of a named one.
    init(shards: Int, buckets: Int, overflow: Int, segments: Int, tables: Int) {
        func lines<T>(of type: T.Type, _ count: Int) -> Int {
            Units(roundingUp: count * MemoryLayout<T>.size).bytes
        }
        self.segments = segments
        self.shards = shards
        self.buckets = buckets
        self.overflow = overflow
        self.tables = tables
        segmentsOffset = lines(of: cpmem_checkpoint.self, 1)
        shardsOffset = segmentsOffset + lines(of: cpmem_checkpoint_segment.self, segments)
        tablesOffset = shardsOffset + lines(of: cpmem_checkpoint_shard.self, shards)
        bucketsOffset = tablesOffset + lines(of: UInt64.self, tables)
        overflowOffset = bucketsOffset + buckets * BucketLayout.bytes
        length = overflowOffset + overflow * BucketLayout.bytes
    }

    func offset(ofSegment segment: SegmentNumber) -> Int {
        segmentsOffset + segment.rawValue * MemoryLayout<cpmem_checkpoint_segment>.size
    }

    func offset(ofShard shard: ShardNumber) -> Int {
        shardsOffset + shard.rawValue * MemoryLayout<cpmem_checkpoint_shard>.size
    }

    /// CRC32C over the salt, the head (everything before the buckets) without the checksum in it,
    /// the buckets and the overflow buckets, or as many of these parts as there are.
    static func checksum(salt: UInt64, _ parts: [ByteView]) -> RunningChecksum {
        var checksum = RunningChecksum(salt: salt)
        checksum.add(
            parts[0], leavingOutAt: MemoryLayout<cpmem_checkpoint>.offset(of: \.checksum)!)
        for part in parts.dropFirst() { checksum.add(part) }
        return checksum
    }
}

/// A checkpoint about to be written.
struct CheckpointDraft {
    private let index: IndexImage
    private let layout: CheckpointLayout
    /// Everything before the buckets.
    private let head: [UInt8]

    /// - Parameters:
    ///   - coverage: that of each segment of the pool.
    ///   - tables: keys of each named table, from number 1 on.
    ///   - salt: that of the life of the extent it is written to.
    init(
        _ index: IndexImage, coverage: [ExtentCoverage], tables: [Int],
        nextSequence: SequenceNumber, salt: UInt64
    ) {
        let buckets = index.buckets.count / BucketLayout.bytes
        let overflow = index.overflow.count / BucketLayout.bytes
        let layout = CheckpointLayout(
            shards: index.shards.count, buckets: buckets, overflow: overflow,
            segments: coverage.count, tables: tables.count)
        var header = cpmem_checkpoint()
        header.magic = CPMEM_CHECKPOINT_MAGIC
        header.length = UInt64(layout.length)
        header.key_count = index.shards.reduce(0) { $0 &+ $1.items }
        header.shard_count = UInt64(index.shards.count)
        header.bucket_count = UInt64(buckets)
        header.overflow_count = UInt64(overflow)
        header.segment_count = UInt64(coverage.count)
        header.next_sequence = nextSequence.rawValue
        header.base_bits = UInt64(index.shape.baseBits)
        header.table_count = UInt64(tables.count)
        var head = [UInt8](repeating: 0, count: layout.bucketsOffset)
        unsafe head.withUnsafeMutableBytes { head in
            for (number, known) in coverage.enumerated() {
                unsafe head.storeBytes(
                    of: known.entry, toByteOffset: layout.offset(ofSegment: SegmentNumber(number)),
                    as: cpmem_checkpoint_segment.self)
            }
            for (shard, state) in zip(index.shape.shards, index.shards) {
                unsafe head.storeBytes(
                    of: state.entry, toByteOffset: layout.offset(ofShard: shard),
                    as: cpmem_checkpoint_shard.self)
            }
            for (number, keys) in tables.enumerated() {
                unsafe head.storeBytes(
                    of: UInt64(max(0, keys)), toByteOffset: layout.tablesOffset + number * 8,
                    as: UInt64.self)
            }
            unsafe head.storeBytes(of: header, as: cpmem_checkpoint.self)
            let bytes = unsafe ByteView(UnsafeRawBufferPointer(head))
            header.checksum =
                CheckpointLayout.checksum(salt: salt, [bytes, index.buckets, index.overflow]).value
            unsafe head.storeBytes(of: header, as: cpmem_checkpoint.self)
        }
        self.index = index
        self.layout = layout
        self.head = head
    }

    /// Calls body with the bytes of each part and where they belong, from the checkpoint's start.
    func forEachPart(_ body: (_ bytes: ByteView, _ offset: Int) -> Void) {
        head.withByteView { body($0, 0) }
        body(index.buckets, layout.bucketsOffset)
        if !index.overflow.isEmpty { body(index.overflow, layout.overflowOffset) }
    }
}
