import CPmem

/// A checkpoint that lies on the medium: whole, but hostile until ``isConsistent`` says that it
/// makes sense. A checksum that fits proves only who wrote it.
///
/// A handle: valid as long as its bytes are.
struct CheckpointView {
    /// Its words lead to nothing that is not there, once ``isConsistent`` has said so.
    let index: IndexImage
    private let layout: CheckpointLayout
    /// Everything before the buckets.
    private let head: ByteView

    /// The checkpoint in these bytes; nil when it is not a whole one for a pool of so many
    /// segments, in an extent whose life has this salt.
    init?(_ bytes: ByteView, salt: UInt64, segmentCount: Int) {
        let count = bytes.count
        guard count >= MemoryLayout<cpmem_checkpoint>.size else { return nil }
        let header = bytes.load(cpmem_checkpoint.self, at: 0)
        let mostBuckets = UInt64(count / BucketLayout.bytes)
        guard header.magic == CPMEM_CHECKPOINT_MAGIC, header.length == UInt64(count),
            header.segment_count == UInt64(segmentCount), header.bucket_count <= mostBuckets,
            header.overflow_count <= mostBuckets,
            let shape = IndexShape(baseBits: header.base_bits, shards: header.shard_count)
        else { return nil }
        let layout = CheckpointLayout(
            shards: shape.shards.count, buckets: Int(header.bucket_count),
            overflow: Int(header.overflow_count), segments: segmentCount)
        guard layout.length == count else { return nil }
        let states = shape.shards.map { shard in
            ShardState(bytes.load(cpmem_checkpoint_shard.self, at: layout.offset(ofShard: shard)))
        }
        index = IndexImage(
            shape: shape, shards: states,
            buckets: bytes.slice(layout.bucketsOffset..<layout.overflowOffset),
            overflow: bytes.dropFirst(layout.overflowOffset))
        head = bytes.prefix(layout.bucketsOffset)
        self.layout = layout
        guard CheckpointLayout.checksum(salt: salt, head: head, index) == header.checksum else {
            return nil
        }
    }

    func coverage(of segment: SegmentNumber) -> ExtentCoverage {
        ExtentCoverage(
            head.load(cpmem_checkpoint_segment.self, at: layout.offset(ofSegment: segment)))
    }

    /// Calls body with every item of the buckets, whatever leads to it.
    func forEachItem(_ body: (IndexSlot) -> Void) {
        CheckpointBuckets(index.buckets).forEachItem(body)
        CheckpointBuckets(index.overflow).forEachItem(body)
    }

    /// Whether words, links and counts agree with the buckets that are there.
    ///
    /// - Complexity: O(buckets), one pass.
    var isConsistent: Bool {
        let buckets = CheckpointBuckets(index.buckets)
        let overflow = CheckpointBuckets(index.overflow)
        return hasSoundWords(buckets: buckets.count)
            && itemsOfShards(buckets, overflow) == index.shards.map(\.items)
    }

    /// Whether every shard's word leads to buckets that are there.
    private func hasSoundWords(buckets: Int) -> Bool {
        let shape = index.shape
        return index.shards.allSatisfy { shard in
            let word = shard.word
            return !word.isPublishing && word.level >= shape.lowestLevel && word.level <= 32
                && word.split < 1 << word.level && word.buckets << shape.shardBits <= buckets
        }
    }

    /// Counts the items of each shard; nil when a link or a list of free buckets leads to an
    /// overflow bucket that is not there, or to one for the second time (then a chain could have a
    /// loop).
    private func itemsOfShards(
        _ buckets: CheckpointBuckets, _ overflow: CheckpointBuckets
    ) -> [UInt64]? {
        let mask = index.shards.count - 1
        var counts = [UInt64](repeating: 0, count: index.shards.count)
        var isTaken = [Bool](repeating: false, count: overflow.count)
        for number in 0..<buckets.count {
            guard var contents = buckets.contents(of: number) else { return nil }
            counts[number & mask] &+= contents.items
            while let next = contents.link {
                guard next < overflow.count, !isTaken[next],
                    let linked = overflow.contents(of: next)
                else { return nil }
                isTaken[next] = true
                counts[number & mask] &+= linked.items
                contents = linked
            }
        }
        for shard in index.shards {
            var link = shard.freeList
            while let next = link.bucket {
                guard next < overflow.count, !isTaken[next] else { return nil }
                isTaken[next] = true
                link = FreeBucketLink(
                    rawValue: overflow.slot(BucketLayout.nextFreeSlot, of: next).rawValue)
            }
        }
        return counts
    }
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

    func forEachItem(_ body: (IndexSlot) -> Void) {
        for bucket in 0..<count {
            for number in 0..<BucketLayout.slots {
                let slot = slot(number, of: bucket)
                if slot.isItem { body(slot) }
            }
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
