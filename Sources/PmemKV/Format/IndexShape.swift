/// Which bucket an item belongs to: an address made of the low bits of its hash and, above them,
/// the fingerprint that its slot keeps, so that a shard can grow without a look at the medium.
///
/// Part of the format, since a checkpoint holds the buckets (docs/format.md, "Index checkpoint").
struct IndexShape {
    /// Bits of an address that are the low ones of the hash.
    let baseBits: Int
    /// The lowest of these choose the shard.
    let shardBits: Int
    private let baseMask: UInt64
    private let shardMask: UInt64

    private static let possibleBaseBits = 1...12
    static let maximumShards = 256

    /// The shape that a checkpoint's header states; nil when it is impossible.
    init?(baseBits: UInt64, shards: UInt64) {
        guard let bits = Int(exactly: baseBits), Self.possibleBaseBits.contains(bits),
            let count = Int(exactly: shards), (1...Self.maximumShards).contains(count),
            count & (count - 1) == 0, count <= 1 << bits
        else { return nil }
        self.init(baseBits: bits, shardBits: count.trailingZeroBitCount)
    }

    /// - Precondition: the bits of the base hold those of the shard.
    init(baseBits: Int, shardBits: Int) {
        precondition(
            Self.possibleBaseBits.contains(baseBits) && (0...baseBits).contains(shardBits)
                && 1 << shardBits <= Self.maximumShards)
        self.baseBits = baseBits
        self.shardBits = shardBits
        baseMask = (1 << UInt64(baseBits)) - 1
        shardMask = (1 << UInt64(shardBits)) - 1
    }

    var shards: Range<ShardNumber> { ShardNumber(0)..<ShardNumber(1 << shardBits) }

    /// The level of a shard that has not grown.
    var lowestLevel: Int { baseBits - shardBits }

    @inline(__always)
    func shard(of hash: KeyHash) -> ShardNumber {
        ShardNumber(Int(truncatingIfNeeded: hash.rawValue & shardMask))
    }

    /// The bucket of a hash in a shard that has grown as far as the word says.
    @inline(__always)
    func bucket(of hash: KeyHash, _ word: ShardWord) -> Int {
        bucket(address: address(hash.rawValue, hash.fingerprint), word)
    }

    /// Whether what a slot of the next bucket to be split holds is an item that goes to the new
    /// bucket: the address bit decides that the level does not look at yet.
    @inline(__always)
    func moves(_ slot: IndexSlot, inSplitOf word: ShardWord) -> Bool {
        let bit = UInt64(truncatingIfNeeded: word.level &+ shardBits &- baseBits)
        return slot.isItem && slot.fingerprint &>> bit & 1 != 0
    }

    /// Buckets of so many neighbouring addresses, a part of the index, stay in a processor's cache.
    private static let partShift: UInt64 = 13

    /// Which of `1 << bits` parts the bucket of a hash belongs to, counted again from zero where
    /// there are more: the bits of its address above those that tell neighbours apart.
    @inline(__always)
    func part(of hash: KeyHash, bits: Int) -> Int {
        Int(truncatingIfNeeded: address(hash.rawValue, hash.fingerprint) &>> Self.partShift)
            & ((1 &<< bits) &- 1)
    }

    /// The bits that tell the parts of a shard apart which has grown so far. Two hashes that differ
    /// in them never have the same bucket, nor does any split bring them together.
    func partBits(_ word: ShardWord) -> Int {
        max(0, word.level + shardBits - Int(Self.partShift))
    }

    /// The most such bits that an index of so many keys has, five of them to a bucket.
    static func mostPartBits(keys: Int) -> Int {
        max(0, Int.bitWidth - 1 - (keys / 5).leadingZeroBitCount - Int(partShift))
    }

    /// A shard's bucket by its number within the shard.
    @inline(__always)
    func bucket(_ local: Int, of shard: ShardNumber) -> Int {
        local &<< shardBits | shard.rawValue
    }

    @inline(__always)
    private func address(_ low: UInt64, _ fingerprint: UInt64) -> UInt64 {
        low & baseMask | fingerprint &<< UInt64(truncatingIfNeeded: baseBits)
    }

    @inline(__always)
    private func bucket(address: UInt64, _ word: ShardWord) -> Int {
        // The bits of the shard, which are the lowest ones of both, stay where they are.
        let address = Int(truncatingIfNeeded: address)
        let mask = ~(~0 &<< (word.level &+ shardBits))
        let number = address & mask
        let isSplit = number < word.split &<< shardBits
        return isSplit ? address & (mask &<< 1 | 1) : number
    }
}
