import CPmem

/// The hash index: key hash to location, in raw memory, about 13 bytes a key.
///
/// Linear hashing in shards. A bucket is a cache line of eight slots; a full one gets a link to an
/// overflow bucket. A shard grows by splitting one bucket at a time, so no operation ever rehashes
/// more than a bucket.
///
/// A bucket's number comes from the low `baseBits` bits of the hash and, above them, from the
/// fingerprint that the slot keeps, so that a split needs no look at the medium.
///
/// Invariants:
/// - A shard's buckets, links, counts and word change only under the shard's lock.
/// - The shard word (level, split pointer, version, publishing mark) changes whenever an item
///   moved: the copy is stored first, then the word, then the original is erased. A reader that
///   found nothing and sees the word unchanged has missed nothing.
/// - An overflow bucket is unlinked before it is reused; a reader still in it finds foreign items,
///   which fail its key comparison, and then the changed word.
/// - While a batch is being published its shards carry the mark; readers wait it out.
final class HashIndex: @unchecked Sendable {
    struct Shape: Equatable {
        var baseBits: Int
        var shardBits: Int
    }

    let shape: Shape
    let seed: UInt64
    var shardCount: Int { 1 << shape.shardBits }
    let buckets: UnsafeMutableRawPointer
    let overflow: UnsafeMutableRawPointer
    let bucketCapacity: Int
    let overflowCapacity: Int
    private let words: UnsafeMutableRawPointer
    let control: UnsafeMutableRawPointer
    private let bucketBytes: Int
    private let overflowBytes: Int
    private let baseMask: UInt64
    private let shardMask: UInt64
    private let releases: Bool

    /// Average items in a bucket above which a shard splits one.
    static let splitLoadTimes2 = 11
    static let reserveThreshold = 1 << 20

    /// The shape for a pool that can hold this many records.
    static func shape(maximumKeys: Int) -> Shape {
        var bits = 3
        while bits < 12 && (1 << bits) * 16 < maximumKeys { bits += 1 }
        return Shape(baseBits: bits, shardBits: max(1, min(8, bits - 3)))
    }

    /// An empty index with room to grow to maximumKeys.
    init(shape: Shape, seed: UInt64, maximumKeys: Int) throws(StoreError) {
        self.shape = shape
        self.seed = seed
        baseMask = (1 << UInt64(shape.baseBits)) - 1
        shardMask = (1 << UInt64(shape.shardBits)) - 1
        bucketCapacity = (1 << shape.baseBits) + maximumKeys / 4
        overflowCapacity = maximumKeys / 7 + (1 << shape.baseBits) + 1
        bucketBytes = bucketCapacity * 64
        overflowBytes = overflowCapacity * 64
        releases = bucketBytes + overflowBytes >= Self.reserveThreshold
        buckets = try Self.allocate(bucketBytes, reserve: releases)
        overflow = try Self.allocate(overflowBytes, reserve: releases)
        let shards = 1 << shape.shardBits
        words = .allocate(byteCount: shards * 8, alignment: 64)
        control = .allocate(byteCount: (shards + 1) * 64, alignment: 64)
        control.initializeMemory(as: UInt8.self, repeating: 0, count: (shards + 1) * 64)
        let word = ShardWord(level: shape.baseBits - shape.shardBits, split: 0, version: 0)
        for shard in 0..<shards {
            words.storeBytes(of: word.rawValue, toByteOffset: shard * 8, as: UInt64.self)
        }
    }

    deinit {
        if releases {
            cpmem_release(buckets, bucketBytes)
            cpmem_release(overflow, overflowBytes)
        } else {
            buckets.deallocate()
            overflow.deallocate()
        }
        words.deallocate()
        control.deallocate()
    }

    private static func allocate(
        _ bytes: Int, reserve: Bool
    ) throws(StoreError) -> UnsafeMutableRawPointer {
        guard reserve else {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
            return memory
        }
        guard let memory = cpmem_reserve(bytes, 1) else {
            throw StoreError(.io, "no address space for an index of up to \(bytes) bytes")
        }
        return memory
    }

    // MARK: Addresses

    @inline(__always)
    func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        cpmem_key_hash(key.baseAddress, key.count, seed)
    }

    @inline(__always)
    func shard(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & shardMask) }

    /// Buckets are chosen by these bits: the low ones of the hash, then the fingerprint's.
    @inline(__always)
    func address(of hash: UInt64) -> UInt64 {
        hash & baseMask | (hash >> 40) << UInt64(truncatingIfNeeded: shape.baseBits)
    }

    /// The address of an item found in a bucket.
    @inline(__always)
    func address(of slot: IndexSlot, inBucket bucket: Int) -> UInt64 {
        UInt64(bucket) & baseMask | slot.fingerprint << UInt64(truncatingIfNeeded: shape.baseBits)
    }

    @inline(__always)
    func bucket(_ address: UInt64, _ word: ShardWord) -> Int {
        let local = address >> UInt64(truncatingIfNeeded: shape.shardBits)
        var number = local & ((1 << word.level) - 1)
        if number < word.split { number = local & ((2 << word.level) - 1) }
        return Int(
            truncatingIfNeeded:
                number << UInt64(truncatingIfNeeded: shape.shardBits) | address & shardMask)
    }

    @inline(__always)
    func pointer(_ bucket: Int) -> UnsafeMutableRawPointer { buckets + bucket &* 64 }

    @inline(__always)
    func overflowPointer(_ number: Int) -> UnsafeMutableRawPointer { overflow + number &* 64 }

    @inline(__always)
    func wordPointer(_ shard: Int) -> UnsafeMutableRawPointer { words + shard &* 8 }

    @inline(__always)
    func word(_ shard: Int) -> ShardWord {
        ShardWord(rawValue: cpmem_load_acquire(wordPointer(shard)))
    }

    @inline(__always)
    func lock(_ shard: Int) -> SpinLock { SpinLock(AtomicWord(control + shard &* 64)) }

    @inline(__always)
    func lock(_ hash: UInt64) -> SpinLock { lock(shard(of: hash)) }

    /// Items of a shard; written under its lock.
    @inline(__always)
    func countPointer(_ shard: Int) -> UnsafeMutableRawPointer { control + shard &* 64 + 8 }

    /// Head of a shard's list of free overflow buckets, plus one; zero when empty.
    func freeListPointer(_ shard: Int) -> UnsafeMutableRawPointer { control + shard &* 64 + 16 }

    /// Overflow buckets ever taken from the arena.
    var overflowUsedPointer: UnsafeMutableRawPointer { control + shardCount * 64 }

    /// What is counted in each shard, under its lock.
    enum Counter: Int {
        case puts = 24
        case removes = 32
    }

    @inline(__always)
    func increment(_ counter: Counter, _ hash: UInt64) {
        let word = control + shard(of: hash) &* 64 + counter.rawValue
        cpmem_store_relaxed(word, cpmem_load_relaxed(word) &+ 1)
    }

    func total(_ counter: Counter) -> UInt64 {
        (0..<shardCount).reduce(0) { $0 + cpmem_load_relaxed(control + $1 * 64 + counter.rawValue) }
    }

    /// Starts to load the bucket that the next insert of this shard is going to split.
    @inline(__always)
    func prefetchSplit(_ hash: UInt64) {
        let shard = shard(of: hash)
        let word = word(shard)
        let count = cpmem_load_relaxed(countPointer(shard))
        if (count &+ 1) &* 2 > word.buckets &* UInt64(Self.splitLoadTimes2) {
            cpmem_prefetch(pointer(Int(word.split) &<< shape.shardBits | shard))
        }
    }

    /// Starts to load the bucket of a key that is looked for soon.
    @inline(__always)
    func prefetch(_ hash: UInt64) {
        let word = word(shard(of: hash))
        cpmem_prefetch(pointer(bucket(address(of: hash), word)))
    }

    /// Items in all shards. O(shards).
    var count: Int {
        (0..<shardCount).reduce(0) {
            $0 &+ Int(truncatingIfNeeded: cpmem_load_relaxed(countPointer($1)))
        }
    }

    /// One more than the highest bucket in use.
    var bucketsUsed: Int {
        var highest: UInt64 = 0
        for shard in 0..<shardCount {
            let word = word(shard)
            highest = max(highest, (1 << word.level) + word.split)
        }
        return Int(highest) << shape.shardBits
    }

    /// Bytes of DRAM that items take.
    var memoryBytes: Int {
        (bucketsUsed + Int(cpmem_load_relaxed(overflowUsedPointer))) * 64
    }
}

/// How far a shard has grown: `level` doublings, `split` buckets of the next one done.
struct ShardWord: Equatable {
    let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(level: Int, split: UInt64, version: UInt64) {
        rawValue = UInt64(level) | split << 6 | (version & 0x1FF_FFFF) << 38
    }

    @inline(__always)
    var level: UInt64 { rawValue & 63 }
    @inline(__always)
    var split: UInt64 { rawValue >> 6 & 0xFFFF_FFFF }
    @inline(__always)
    var isPublishing: Bool { rawValue >> 63 != 0 }
    var version: UInt64 { rawValue >> 38 & 0x1FF_FFFF }
    var buckets: UInt64 { (1 << level) + split }

    /// The same word with the mark set.
    var publishing: ShardWord { ShardWord(rawValue: rawValue | 1 << 63) }
    /// The next word without the mark.
    var published: ShardWord { ShardWord(rawValue: nextVersion.rawValue & ~(1 << 63)) }
    var nextVersion: ShardWord { next(level: Int(level), split: split) }
    var nextSplit: ShardWord {
        split + 1 == 1 << level
            ? next(level: Int(level) + 1, split: 0)
            : next(level: Int(level), split: split + 1)
    }

    /// A later word that keeps the publishing mark.
    private func next(level: Int, split: UInt64) -> ShardWord {
        let word = ShardWord(level: level, split: split, version: version + 1)
        return isPublishing ? word.publishing : word
    }
}
