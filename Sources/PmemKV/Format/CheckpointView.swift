import CPmem

/// Everything of a checkpoint before the buckets, copied: hostile until
/// ``isConsistent(with:overflow:)`` says that it makes sense with the buckets behind it.
struct CheckpointHead: Sendable {
    let layout: CheckpointLayout
    let shape: IndexShape
    let shards: [ShardState]
    /// Keys of each named table, from number 1 on.
    let tables: [UInt64]
    /// Every record that it knows has a lower number.
    let nextSequence: SequenceNumber
    private let bytes: [UInt8]
    /// The checksum that stands there, and the state of one over the salt and the head.
    private let checksum: UInt32
    private let state: UInt32

    static let headerSize = MemoryLayout<cpmem_checkpoint>.size

    /// The layout that a header states; nil when it is none of a checkpoint of so many bytes for a
    /// pool of so many segments. One of fewer is from before the pool grew.
    static func layout(
        header bytes: ByteView, length: Int, segmentCount: Int
    ) -> CheckpointLayout? {
        guard bytes.count >= headerSize else { return nil }
        let header = bytes.load(cpmem_checkpoint.self, at: 0)
        let mostBuckets = UInt64(length / BucketLayout.bytes)
        guard header.magic == CPMEM_CHECKPOINT_MAGIC, header.length == UInt64(length),
            let segments = Int(exactly: header.segment_count), segments <= segmentCount,
            header.bucket_count <= mostBuckets,
            header.overflow_count <= mostBuckets,
            header.table_count <= UInt64(TableNumber.named.count),
            let shape = IndexShape(baseBits: header.base_bits, shards: header.shard_count)
        else { return nil }
        let layout = CheckpointLayout(
            shards: shape.shards.count, buckets: Int(header.bucket_count),
            overflow: Int(header.overflow_count), segments: segments,
            tables: Int(header.table_count))
        return layout.length == length ? layout : nil
    }

    /// - Parameters:
    ///   - view: the bytes before the buckets.
    ///   - layout: what the header in them states.
    ///   - salt: of the life of the extent.
    init?(_ view: ByteView, _ layout: CheckpointLayout, salt: UInt64) {
        let header = view.load(cpmem_checkpoint.self, at: 0)
        guard view.count == layout.bucketsOffset,
            let shape = IndexShape(baseBits: header.base_bits, shards: header.shard_count),
            shape.shards.count == layout.shards
        else { return nil }
        self.layout = layout
        self.shape = shape
        shards = shape.shards.map { shard in
            ShardState(view.load(cpmem_checkpoint_shard.self, at: layout.offset(ofShard: shard)))
        }
        tables = (0..<layout.tables).map {
            view.load(UInt64.self, at: layout.tablesOffset + $0 * 8)
        }
        nextSequence = SequenceNumber(header.next_sequence)
        bytes = view.array
        checksum = header.checksum
        state = ~CheckpointLayout.checksum(salt: salt, [view]).value
    }

    /// What is known of the extent that begins with a segment; nil when that was not there yet.
    func coverage(of segment: SegmentNumber) -> ExtentCoverage? {
        guard segment.rawValue < layout.segments else { return nil }
        return bytes.withByteView {
            ExtentCoverage(
                $0.load(cpmem_checkpoint_segment.self, at: layout.offset(ofSegment: segment)))
        }
    }

    /// Whether the checksum is that of head and buckets, all pieces of which have been looked at.
    func isWhole(with pieces: [BucketCensus]) -> Bool {
        let state = pieces.reduce(state) { state, piece in
            cpmem_crc32c_skip(state, piece.byteCount) ^ piece.state
        }
        return ~state == checksum
    }

    /// Whether words, links and counts agree with the buckets that are there.
    ///
    /// - Parameters:
    ///   - pieces: of the buckets; others are passed over.
    ///   - overflow: the bytes of the overflow buckets.
    /// - Complexity: O(overflow buckets).
    func isConsistent(with pieces: [BucketCensus], overflow: ByteView) -> Bool {
        guard hasSoundWords, pieces.allSatisfy(\.isSound) else { return false }
        let overflow = CheckpointBuckets(overflow)
        var counts = [UInt64](repeating: 0, count: shards.count)
        for piece in pieces {
            for (shard, items) in piece.items.enumerated() { counts[shard] &+= items }
        }
        var isTaken = [Bool](repeating: false, count: overflow.count)
        for (shard, link) in pieces.lazy.map(\.links).joined() {
            var link: Int? = link
            while let next = link {
                guard next < overflow.count, !isTaken[next],
                    let linked = overflow.contents(of: next)
                else { return false }
                isTaken[next] = true
                counts[shard] &+= linked.items
                link = linked.link
            }
        }
        return areSound(freeLists: overflow, &isTaken) && counts == shards.map(\.items)
    }

    /// Whether every shard's word leads to buckets that are there.
    private var hasSoundWords: Bool {
        shards.allSatisfy { shard in
            let word = shard.word
            return !word.isPublishing && word.level >= shape.lowestLevel && word.level <= 32
                && word.split < 1 << word.level
                && word.buckets << shape.shardBits <= layout.buckets
        }
    }

    /// Whether no list of free buckets leads to an overflow bucket that is not there, or to one
    /// for the second time (then there could be a loop).
    private func areSound(freeLists overflow: CheckpointBuckets, _ isTaken: inout [Bool]) -> Bool {
        for shard in shards {
            var link = shard.freeList
            while let next = link.bucket {
                guard next < overflow.count, !isTaken[next] else { return false }
                isTaken[next] = true
                link = FreeBucketLink(
                    rawValue: overflow.slot(BucketLayout.nextFreeSlot, of: next).rawValue)
            }
        }
        return true
    }
}

/// Neighbouring buckets of a checkpoint, or overflow buckets: what is read and checked at once.
struct CheckpointPiece: Sendable {
    let areOverflow: Bool
    let buckets: Range<Int>

    /// Buckets of a piece: it stays in a processor's cache while it is looked at.
    private static let most = 4096

    /// All of a checkpoint, in its order.
    static func all(of layout: CheckpointLayout) -> [CheckpointPiece] {
        [(false, layout.buckets), (true, layout.overflow)].flatMap { areOverflow, count in
            stride(from: 0, to: count, by: most).map {
                CheckpointPiece(areOverflow: areOverflow, buckets: $0..<min($0 + most, count))
            }
        }
    }

    /// Where it lies, in bytes from the checkpoint's start.
    func range(in layout: CheckpointLayout) -> Range<Int> {
        let start = areOverflow ? layout.overflowOffset : layout.bucketsOffset
        let first = start + buckets.lowerBound * BucketLayout.bytes
        return first..<(first + buckets.count * BucketLayout.bytes)
    }
}

/// What a piece of a checkpoint holds.
struct BucketCensus: Sendable {
    let byteCount: Int
    /// The state of a checksum that began with it from zero.
    let state: UInt32
    /// Items by shard; none of overflow buckets, as which shard's they are their links tell.
    private(set) var items: [UInt64] = []
    /// Links out of buckets, with their shards.
    private(set) var links: [(shard: Int, overflow: Int)] = []
    /// Whether links stand only where they may.
    private(set) var isSound = true

    /// - Parameter bytes: those of the piece.
    init(_ piece: CheckpointPiece, _ bytes: ByteView, shards: Int) {
        byteCount = bytes.count
        state = unsafe cpmem_crc32c_update(0, bytes.baseAddress, bytes.count)
        guard !piece.areOverflow else { return }
        items = .init(repeating: 0, count: shards)
        let buckets = CheckpointBuckets(bytes)
        for number in 0..<buckets.count {
            guard let contents = buckets.contents(of: number) else {
                isSound = false
                return
            }
            let shard = (piece.buckets.lowerBound + number) & (shards - 1)
            items[shard] &+= contents.items
            if let link = contents.link { links.append((shard, link)) }
        }
    }
}

/// A checkpoint that lies on the medium, whole.
///
/// A handle: valid as long as its bytes are.
struct CheckpointView {
    let head: CheckpointHead
    private let buckets: ByteView
    private let overflow: ByteView
    private let pieces: [BucketCensus]

    /// The checkpoint in these bytes; nil when it is not a whole one for a pool of so many
    /// segments, in an extent whose life has this salt.
    init?(_ bytes: ByteView, salt: UInt64, segmentCount: Int) {
        guard
            let layout = CheckpointHead.layout(
                header: bytes, length: bytes.count, segmentCount: segmentCount),
            let head = CheckpointHead(bytes.prefix(layout.bucketsOffset), layout, salt: salt)
        else { return nil }
        self.head = head
        buckets = bytes.slice(layout.bucketsOffset..<layout.overflowOffset)
        overflow = bytes.dropFirst(layout.overflowOffset)
        pieces = CheckpointPiece.all(of: layout).map {
            BucketCensus($0, bytes.slice($0.range(in: layout)), shards: head.shards.count)
        }
        guard head.isWhole(with: pieces) else { return nil }
    }

    /// Calls body with every item that a search could find. The checkpoint is consistent.
    ///
    /// Overflow buckets that no chain leads to hold no items: one that is not in use has a link of
    /// a list in it, which looks like one.
    func forEachItem(_ body: (IndexSlot) -> Void) {
        let buckets = CheckpointBuckets(buckets)
        for number in 0..<buckets.count { buckets.forEachItem(of: number, body) }
        let overflow = CheckpointBuckets(overflow)
        for (_, first) in pieces.lazy.map(\.links).joined() {
            var link: Int? = first
            while let number = link {
                overflow.forEachItem(of: number, body)
                link = overflow.contents(of: number)?.link
            }
        }
    }

    /// See ``CheckpointHead/isConsistent(with:overflow:)``.
    var isConsistent: Bool { head.isConsistent(with: pieces, overflow: overflow) }
}

/// Buckets as they lie in a checkpoint.
private struct CheckpointBuckets {
    private let bytes: ByteView
    let count: Int

    init(_ bytes: ByteView) {
        self.bytes = bytes
        count = bytes.count / BucketLayout.bytes
    }

    @inline(__always)
    func slot(_ slot: Int, of bucket: Int) -> IndexSlot {
        let offset = bucket &* BucketLayout.bytes &+ slot &* MemoryLayout<IndexSlot>.size
        return IndexSlot(rawValue: bytes.load(UInt64.self, at: offset))
    }

    func forEachItem(of bucket: Int, _ body: (IndexSlot) -> Void) {
        for number in 0..<BucketLayout.slots {
            let slot = slot(number, of: bucket)
            if slot.isItem { body(slot) }
        }
    }

    /// What a bucket holds; nil when a link stands where none may.
    @inline(__always)
    func contents(of bucket: Int) -> (items: UInt64, link: Int?)? {
        var items: UInt64 = 0
        var union: UInt64 = 0
        for number in 0..<BucketLayout.linkSlot {
            let slot = slot(number, of: bucket)
            items &+= slot.isEmpty ? 0 : 1
            union |= slot.rawValue
        }
        guard !IndexSlot(rawValue: union).isLink else { return nil }
        let last = slot(BucketLayout.linkSlot, of: bucket)
        return (items &+ (last.isItem ? 1 : 0), last.link)
    }
}
