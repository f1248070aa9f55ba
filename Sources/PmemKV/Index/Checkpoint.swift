import CPmem

/// The index as a clean close left it on the medium, in an extent of its own.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I12: a checkpoint is a cache. It is named by the superblock only after it is durable, and it
///   says for each segment which life it knows and how far; whatever is not covered is replayed
///   from the log, and items of another life are dropped. So an old one is never wrong.
/// - Its layout is the index's own, so that loading is one sequential read.
struct CheckpointLayout {
    let segmentsOffset: Int
    let wordsOffset: Int
    let bucketsOffset: Int
    let overflowOffset: Int
    let length: Int

    init(shards: Int, buckets: Int, overflow: Int, segments: Int) {
        func lines(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
        segmentsOffset = MemoryLayout<cpmem_checkpoint>.size
        wordsOffset =
            segmentsOffset + lines(segments * MemoryLayout<cpmem_checkpoint_segment>.size)
        // Per shard: its word, its count, the head of its list of free overflow buckets.
        bucketsOffset = wordsOffset + lines(shards * 24)
        overflowOffset = bucketsOffset + buckets * 64
        length = overflowOffset + overflow * 64
    }
}

extension Engine {
    /// Writes the index into an extent of its own and names it in the superblock, if there is
    /// room for it. The caller is the only user of the engine.
    func writeCheckpoint() throws(StoreError) {
        let overflow = Int(index.overflowUsed.loadRelaxed())
        let buckets = index.bucketsUsed
        let layout = CheckpointLayout(
            shards: index.shards.count, buckets: buckets, overflow: overflow,
            segments: geometry.segmentCount)
        let span = (layout.length + geometry.segmentSize - 1) / geometry.segmentSize
        guard span <= 0xFFFF, let segment = try takeForCheckpoint(span: span) else { return }
        writeCheckpointBody(layout, buckets: buckets, overflow: overflow, segment: segment)
        try medium.drain(site: .checkpointDrain)
        let old = checkpointSegment
        let generation = segments.states[segment].life.generation
        try superblock.update(medium) {
            $0.checkpoint_segment = UInt64(segment)
            $0.checkpoint_generation = UInt64(generation)
            $0.checkpoint_length = UInt64(layout.length)
        }
        checkpointSegment = segment
        if old >= 0 { try segments.release(old) }
    }

    /// An extent for a checkpoint. In a pool full of superseded records compaction makes room
    /// first, as far as that costs little more than the checkpoint itself; a pool full of live
    /// ones keeps its reserve and goes without.
    private func takeForCheckpoint(span: Int) throws(StoreError) -> Int? {
        let reserve = options.compactionReserve + options.deleteReserve
        for _ in 0..<(2 * span + 4) {
            if let segment = try segments.take(
                span: span, reserve: reserve, state: .checkpoint)
            {
                return segment
            }
            if segments.freeCount >= span + reserve {
                guard try emptyWindow(span: span) else { break }
            } else {
                guard try compactOne(minimumGain: geometry.segmentUnits / 4) else { break }
                _ = try reclaimLimbo()
            }
        }
        return nil
    }

    private func writeCheckpointBody(
        _ layout: CheckpointLayout, buckets: Int, overflow: Int, segment: Int
    ) {
        let start = geometry.offset(ofSegment: segment)
        let head = UnsafeMutableRawBufferPointer.allocate(
            byteCount: layout.bucketsOffset, alignment: 64)
        defer { head.deallocate() }
        head.initializeMemory(as: UInt8.self, repeating: 0)
        for number in 0..<geometry.segmentCount {
            head.storeBytes(
                of: checkpointEntry(number),
                toByteOffset: layout.segmentsOffset + number * 32, as: cpmem_checkpoint_segment.self
            )
        }
        for shard in index.shards {
            let offset = layout.wordsOffset + shard.rawValue * 24
            head.storeBytes(
                of: index.word(of: shard).rawValue, toByteOffset: offset, as: UInt64.self)
            head.storeBytes(
                of: index[shard, .items].loadRelaxed(), toByteOffset: offset + 8,
                as: UInt64.self)
            head.storeBytes(
                of: index[shard, .freeList].loadRelaxed(), toByteOffset: offset + 16,
                as: UInt64.self)
        }
        var header = cpmem_checkpoint()
        header.magic = CPMEM_CHECKPOINT_MAGIC
        header.length = UInt64(layout.length)
        header.key_count = UInt64(max(0, index.count))
        header.shard_count = UInt64(index.shards.count)
        header.bucket_count = UInt64(buckets)
        header.overflow_count = UInt64(overflow)
        header.segment_count = UInt64(geometry.segmentCount)
        header.maximum_sequence = self[.nextSequence]
        header.base_bits = UInt64(index.shape.baseBits)
        head.storeBytes(of: header, as: cpmem_checkpoint.self)
        let items = unsafe index.buckets.bytes(ofFirst: buckets)
        let chains = unsafe index.overflow.bytes(ofFirst: overflow)
        let checksum = Self.checkpointChecksum(
            UnsafeRawBufferPointer(head), items, chains, salt: segments.states[segment].salt)
        head.storeBytes(of: checksum, toByteOffset: 8, as: UInt32.self)
        medium.copy(UnsafeRawBufferPointer(head), to: start, site: .checkpoint)
        medium.copy(items, to: start + layout.bucketsOffset, site: .checkpoint)
        if overflow > 0 {
            medium.copy(chains, to: start + layout.overflowOffset, site: .checkpoint)
        }
    }

    private func checkpointEntry(_ segment: Int) -> cpmem_checkpoint_segment {
        let state = segments.states[segment]
        var covered = 0
        switch state.phase {
        case .sealed, .quarantined: covered = Int(state.endUnits)
        case .open:
            for number in 0...headCount where heads[number].segment == segment {
                covered = heads[number].position
            }
        case .free, .limbo, .checkpoint, .continuation: break
        }
        return cpmem_checkpoint_segment(
            generation: state.life.generation, covered_units: UInt32(covered),
            live_units: UInt64(max(0, segments.liveUnits(segment))),
            tombstone_units: segments.value(segment, .tombstoneUnits),
            oldest_dead: segments.value(segment, .oldestDead))
    }

    /// CRC32C over salt, header without its checksum, statistics, shard words, buckets, overflow.
    private static func checkpointChecksum(
        _ head: UnsafeRawBufferPointer, _ items: UnsafeRawBufferPointer,
        _ chains: UnsafeRawBufferPointer, salt: UInt64
    ) -> UInt32 {
        var salt = salt
        var state = cpmem_crc32c_update(~0, &salt, 8)
        state = cpmem_crc32c_update(state, head.baseAddress, 8)
        state = cpmem_crc32c_update(state, head.baseAddress! + 12, head.count - 12)
        state = cpmem_crc32c_update(state, items.baseAddress, items.count)
        return ~cpmem_crc32c_update(state, chains.baseAddress, chains.count)
    }
}

/// A checkpoint that lies on the medium.
struct CheckpointView {
    let header: cpmem_checkpoint
    let layout: CheckpointLayout
    let bytes: UnsafeRawBufferPointer

    /// The checkpoint in these bytes; nil when it is not a whole one for this pool.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt64, segmentCount: Int) {
        guard bytes.count >= MemoryLayout<cpmem_checkpoint>.size else { return nil }
        header = bytes.loadUnaligned(as: cpmem_checkpoint.self)
        guard header.magic == CPMEM_CHECKPOINT_MAGIC, header.length == UInt64(bytes.count),
            header.segment_count == UInt64(segmentCount), header.shard_count > 0,
            header.shard_count <= 256, header.shard_count & (header.shard_count - 1) == 0,
            header.bucket_count <= UInt64(bytes.count) / 64,
            header.overflow_count <= UInt64(bytes.count) / 64,
            (1...12).contains(header.base_bits), header.shard_count <= 1 << header.base_bits
        else { return nil }
        layout = CheckpointLayout(
            shards: Int(header.shard_count), buckets: Int(header.bucket_count),
            overflow: Int(header.overflow_count), segments: segmentCount)
        guard layout.length == bytes.count else { return nil }
        self.bytes = bytes
        var salt = salt
        var state = cpmem_crc32c_update(~0, &salt, 8)
        state = cpmem_crc32c_update(state, bytes.baseAddress, 8)
        state = cpmem_crc32c_update(state, bytes.baseAddress! + 12, bytes.count - 12)
        guard ~state == header.checksum else { return nil }
    }

    var shape: IndexShape {
        IndexShape(
            baseBits: Int(header.base_bits),
            shardBits: Int(header.shard_count).trailingZeroBitCount)
    }

    func segment(_ number: Int) -> cpmem_checkpoint_segment {
        bytes.loadUnaligned(
            fromByteOffset: layout.segmentsOffset + number * 32, as: cpmem_checkpoint_segment.self)
    }

    /// Copies the index into an empty one of the same shape. False when it does not fit.
    func load(into index: HashIndex) -> Bool {
        let buckets = Int(header.bucket_count)
        let overflow = Int(header.overflow_count)
        guard buckets <= index.buckets.capacity, overflow <= index.overflow.capacity,
            hasSoundWords(buckets: buckets),
            let items = itemsOfShards(buckets: buckets, overflow: overflow)
        else { return false }
        let base = bytes.baseAddress!
        unsafe index.buckets.copy(
            from: UnsafeRawBufferPointer(start: base + layout.bucketsOffset, count: buckets * 64))
        unsafe index.overflow.copy(
            from: UnsafeRawBufferPointer(start: base + layout.overflowOffset, count: overflow * 64))
        index.overflowUsed.storeRelaxed(header.overflow_count)
        for shard in index.shards {
            let words = base + layout.wordsOffset + shard.rawValue * 24
            index.store(ShardWord(rawValue: words.loadUnaligned(as: UInt64.self)), of: shard)
            index[shard, .items].storeRelaxed((words + 8).loadUnaligned(as: UInt64.self))
            index[shard, .freeList].storeRelaxed((words + 16).loadUnaligned(as: UInt64.self))
        }
        return index.shards.allSatisfy { items[$0.rawValue] == index[$0, .items].loadRelaxed() }
    }

    /// Whether every shard's word leads to buckets that are there. A checksum that fits proves
    /// who wrote this, not that it makes sense.
    private func hasSoundWords(buckets: Int) -> Bool {
        let shape = shape
        return (0..<Int(header.shard_count)).allSatisfy { shard in
            let offset = layout.wordsOffset + shard * 24
            let word = ShardWord(
                rawValue: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            return !word.isPublishing && word.level >= shape.lowestLevel
                && word.level <= 32 && word.split < 1 << word.level
                && word.buckets << shape.shardBits <= buckets
        }
    }

    /// Counts the items of each shard, in one pass over the buckets; nil when a link or a list of
    /// free buckets leads to an overflow bucket that is not there, or to one for the second time
    /// (then a chain could have a loop).
    private func itemsOfShards(buckets: Int, overflow: Int) -> [UInt64]? {
        let first = bytes.baseAddress! + layout.bucketsOffset
        let chains = bytes.baseAddress! + layout.overflowOffset
        let mask = Int(header.shard_count) - 1
        var counts = [UInt64](repeating: 0, count: mask + 1)
        var isTaken = [Bool](repeating: false, count: overflow)
        for bucket in 0..<buckets {
            var line = first + bucket &* 64
            while true {
                guard let content = BucketContent(line) else { return nil }
                counts[bucket & mask] &+= content.items
                guard let next = content.link else { break }
                guard next < overflow, !isTaken[next] else { return nil }
                isTaken[next] = true
                line = chains + next &* 64
            }
        }
        for shard in 0...mask {
            var next = bytes.loadUnaligned(
                fromByteOffset: layout.wordsOffset + shard * 24 + 16, as: UInt64.self)
            while next != 0 {
                guard next <= UInt64(overflow), !isTaken[Int(next) - 1] else { return nil }
                isTaken[Int(next) - 1] = true
                next = (chains + (Int(next) - 1) * 64 + 48).load(as: UInt64.self)
            }
        }
        return counts
    }
}

/// What one bucket of a checkpoint holds; nil when a link stands where none may.
private struct BucketContent {
    let items: UInt64
    let link: Int?

    @inline(__always)
    init?(_ line: UnsafeRawPointer) {
        var items: UInt64 = 0
        var union: UInt64 = 0
        for offset in stride(from: 0, to: 56, by: 8) {
            let word = line.load(fromByteOffset: offset, as: UInt64.self)
            items &+= word == 0 ? 0 : 1
            union |= word
        }
        guard !IndexSlot(rawValue: union).isLink else { return nil }
        let last = IndexSlot(rawValue: line.load(fromByteOffset: 56, as: UInt64.self))
        link = last.link
        self.items = items &+ (last.isItem ? 1 : 0)
    }
}
