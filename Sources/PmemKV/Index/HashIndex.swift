/// The hash index: key hash to location, in raw memory, about 14 bytes a key.
///
/// Linear hashing in shards. A bucket is a cache line of eight slots; a full one gets a link to an
/// overflow bucket. A shard grows by splitting one bucket at a time, so no operation ever rehashes
/// more than a bucket. An overflow bucket is given back as soon as the others of its chain have
/// room for its items.
///
/// Invariants:
/// - A shard's buckets, links, counts and word change only under the shard's lock.
/// - The shard word (level, split pointer, version, publishing mark) changes whenever an item
///   moved: the copy is stored first, then the word, then the original is erased. A reader that
///   found nothing and sees the word unchanged has missed nothing.
/// - An overflow bucket is unlinked before it is reused, and the word changes before it is
///   unlinked; a reader still in it finds foreign items, which fail its key comparison, and then
///   the changed word.
/// - An item never takes the place of a link.
/// - While a batch is being published its shards carry the mark; readers wait it out.
final class HashIndex: Sendable {
    let shape: IndexShape
    let seed: UInt64
    let buckets: BucketArray
    let overflow: BucketArray
    /// The shards' words, side by side: readers look at nothing else of a shard.
    private let words: SharedLines
    /// A line of ``Field``s for each shard, then one for what they share.
    private let control: SharedLines

    /// Twice the average number of items in a bucket above which a shard splits one.
    static let splitLoadTimes2 = 11
    /// Bytes from which on the index takes address space of its own.
    private static let reserveThreshold = 1 << 20

    /// The shape for a pool that can hold this many records.
    static func shape(maximumKeys: Int) -> IndexShape {
        var bits = 3
        while bits < 12 && (1 << bits) * 16 < maximumKeys { bits += 1 }
        return IndexShape(baseBits: bits, shardBits: max(1, min(8, bits - 3)))
    }

    /// An empty index with room to grow to maximumKeys.
    init(shape: IndexShape, seed: UInt64, maximumKeys: Int) throws(StoreError) {
        self.shape = shape
        self.seed = seed
        let count = (1 << shape.baseBits) + maximumKeys / 4
        let overflowCount = maximumKeys / 7 + (1 << shape.baseBits) + 1
        let isReserved = (count + overflowCount) * BucketLayout.bytes >= Self.reserveThreshold
        buckets = try BucketArray(capacity: count, isReserved: isReserved)
        overflow = try BucketArray(capacity: overflowCount, isReserved: isReserved)
        let shards = shape.shards.count
        words = SharedLines((shards + SharedLines.wordsPerLine - 1) / SharedLines.wordsPerLine)
        control = SharedLines(shards + 1)
        for shard in shape.shards {
            store(ShardWord(level: shape.lowestLevel, split: 0, version: 0), of: shard)
        }
    }

    // MARK: Shards

    var shards: Range<ShardNumber> { shape.shards }

    @inline(__always)
    func word(of shard: ShardNumber) -> ShardWord {
        ShardWord(rawValue: words[shard.rawValue].loadAcquire())
    }

    @inline(__always)
    func store(_ word: ShardWord, of shard: ShardNumber) {
        SchedulingPoint.pass()
        words[shard.rawValue].storeRelease(word.rawValue)
    }

    /// The words of a shard's line; all but the lock are written under it.
    enum Field: Int {
        case lock
        case items
        /// The ``FreeBucketLink`` to the first overflow bucket that is not in use.
        case freeList
        case puts
        case removes
    }

    @inline(__always)
    subscript(shard: ShardNumber, field: Field) -> AtomicWord {
        control[shard.rawValue, field.rawValue]
    }

    @inline(__always)
    func lock(ofShard shard: ShardNumber) -> SpinLock { SpinLock(self[shard, .lock]) }

    @inline(__always)
    func lock(of hash: KeyHash) -> SpinLock { lock(ofShard: shape.shard(of: hash)) }

    /// Returns when whoever holds a shard's lock now, of any shard, has given it back.
    func passThroughAllShards() {
        for shard in shards { lock(ofShard: shard).passThrough() }
    }

    /// Returns when all that those who hold shards now are writing is in the index. O(shards), some
    /// instructions each where none is held.
    func awaitWriters() {
        var held: UInt64 = 0
        for number in 0..<shape.shards.count {
            held |= control[number, Field.lock.rawValue].loadAcquire()
        }
        SchedulingPoint.pass()
        if held != 0 { awaitHolders() }
    }

    /// A shard that is never seen free, since others hold it by then, has published something: what
    /// is counted in it has changed, and it is not in the middle of a batch.
    @inline(never)
    private func awaitHolders() {
        let held = shards.map { (shard: $0, changes: changes(in: $0)) }.filter {
            self[$0.shard, .lock].loadAcquire() != 0
        }
        for (shard, before) in held {
            SpinWait.until {
                self[shard, .lock].loadAcquire() == 0
                    || changes(in: shard) != before && !word(of: shard).isPublishing
            }
        }
    }

    private func changes(in shard: ShardNumber) -> UInt64 {
        self[shard, .puts].loadAcquire() &+ self[shard, .removes].loadAcquire()
    }

    /// Overflow buckets ever taken.
    var overflowUsed: AtomicWord { control[shards.count, 0] }
    var overflowCount: Int { Int(truncatingIfNeeded: overflowUsed.loadRelaxed()) }

    // MARK: Counters

    /// What is counted in each shard, under its lock.
    enum Counter {
        case puts
        case removes

        @inline(__always)
        fileprivate var field: Field {
            switch self {
            case .puts: .puts
            case .removes: .removes
            }
        }
    }

    @inline(__always)
    func increment(_ counter: Counter, _ hash: KeyHash) {
        // Behind the change of the index: see awaitHolders.
        let word = self[shape.shard(of: hash), counter.field]
        word.storeRelease(word.loadRelaxed() &+ 1)
    }

    func total(_ counter: Counter) -> UInt64 { total(counter.field) }

    /// Writes of keys since the pool was opened. Of one moment only while all shards are locked,
    /// but never the same before and behind a write. O(shards).
    var changes: UInt64 { total(Counter.puts) &+ total(Counter.removes) }

    /// Items in all shards. O(shards).
    var count: Int { Int(truncatingIfNeeded: total(.items)) }

    private func total(_ field: Field) -> UInt64 {
        shards.reduce(0) { $0 &+ self[$1, field].loadRelaxed() }
    }

    // MARK: Growth

    /// Whether a shard splits a bucket when it has so many items.
    @inline(__always)
    func isFull(_ word: ShardWord, items: UInt64) -> Bool {
        items &* 2 > UInt64(truncatingIfNeeded: word.buckets &* Self.splitLoadTimes2)
    }

    /// One more than the highest bucket in use.
    var bucketsUsed: Int {
        (shards.map { word(of: $0).buckets }.max() ?? 0) << shape.shardBits
    }

    /// Bytes of DRAM that items take.
    var memoryBytes: Int {
        (bucketsUsed + overflowCount) * BucketLayout.bytes
    }
}
