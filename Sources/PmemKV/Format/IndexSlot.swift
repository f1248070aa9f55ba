// The words of the hash index. It lies in DRAM, and in a checkpoint it lies on the medium as it is:
// these bits are part of the format (docs/format.md, "Index checkpoint").

/// One bucket: a cache line of slots.
enum BucketLayout {
    static let slots = 8
    /// The only slot that may hold a link, to an overflow bucket.
    static let linkSlot = slots - 1
    /// Where an overflow bucket that is not in use names the next such bucket of its shard.
    static let nextFreeSlot = 6
    static let bytes = slots * MemoryLayout<IndexSlot>.size
}

/// One word of a bucket: a 24-bit fingerprint, a link bit, a 39-bit location.
///
/// Zero is empty: the superblock lies at location zero, so no record does. A link stands only in
/// the last slot of a bucket and holds the number of an overflow bucket.
struct IndexSlot: Equatable {
    let rawValue: UInt64

    private static let fingerprintShift: UInt64 = 40
    private static let locationMask: UInt64 = (1 << 39) - 1
    private static let linkBit: UInt64 = 1 << 39

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    @inline(__always)
    init(hash: KeyHash, location: Location) {
        rawValue = hash.fingerprint &<< Self.fingerprintShift | location.units
    }

    init(linkTo overflow: Int) { rawValue = Self.linkBit | UInt64(overflow) }

    static let empty = IndexSlot(rawValue: 0)

    @inline(__always)
    var isEmpty: Bool { rawValue == 0 }
    @inline(__always)
    var isLink: Bool { rawValue & Self.linkBit != 0 }
    @inline(__always)
    var isItem: Bool { !isEmpty && !isLink }
    @inline(__always)
    var location: Location { Location(units: rawValue & Self.locationMask) }
    /// The number of the overflow bucket that a link leads to; nil when this is none.
    @inline(__always)
    var link: Int? { isLink ? Int(truncatingIfNeeded: rawValue & Self.locationMask) : nil }
    /// That of the key's hash.
    @inline(__always)
    var fingerprint: UInt64 { rawValue &>> Self.fingerprintShift }

    @inline(__always)
    func matches(_ hash: KeyHash) -> Bool {
        // The fingerprint, and no link.
        !isEmpty && rawValue &>> (Self.fingerprintShift - 1) == hash.fingerprint &<< 1
    }
}

extension KeyHash {
    /// The bits that a slot keeps: 40 to 63.
    @inline(__always)
    var fingerprint: UInt64 { rawValue &>> 40 }
    /// The upper bits of the fingerprint, by which all slots of a bucket are compared at once.
    @inline(__always)
    var tag: UInt16 { UInt16(truncatingIfNeeded: rawValue &>> 48) }
}

/// A link of a shard's list of overflow buckets that are not in use: a bucket's number plus one,
/// zero at the end.
struct FreeBucketLink: Equatable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(to bucket: Int) { rawValue = UInt64(bucket) + 1 }

    /// The number of the bucket; nil at the end. One that is not there when the word is damaged.
    var bucket: Int? { rawValue == 0 ? nil : Int(clamping: rawValue - 1) }
}

/// A shard of the index, from 0. All items of a hash are in one shard.
struct ShardNumber: Hashable, Strideable {
    let rawValue: Int

    @inline(__always)
    init(_ rawValue: Int) { self.rawValue = rawValue }

    @inline(__always)
    func distance(to other: ShardNumber) -> Int { other.rawValue - rawValue }
    @inline(__always)
    func advanced(by count: Int) -> ShardNumber { ShardNumber(rawValue + count) }
}

/// How far a shard has grown: `level` doublings, `split` buckets of the next one done.
struct ShardWord: Equatable {
    let rawValue: UInt64

    private static let splitShift: UInt64 = 6
    private static let versionShift: UInt64 = 38
    private static let versionMask: UInt64 = (1 << 25) - 1
    private static let publishingBit: UInt64 = 1 << 63

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(level: Int, split: Int, version: UInt64) {
        rawValue =
            UInt64(level) | UInt64(split) << Self.splitShift
            | (version & Self.versionMask) << Self.versionShift
    }

    @inline(__always)
    var level: Int { Int(truncatingIfNeeded: rawValue & 63) }
    @inline(__always)
    var split: Int { Int(truncatingIfNeeded: rawValue &>> Self.splitShift & 0xFFFF_FFFF) }
    @inline(__always)
    var isPublishing: Bool { rawValue & Self.publishingBit != 0 }
    var version: UInt64 { rawValue &>> Self.versionShift & Self.versionMask }
    /// Buckets of the shard, without those that overflowed.
    @inline(__always)
    var buckets: Int { (1 &<< level) &+ split }

    /// The same word with the mark set.
    var publishing: ShardWord { ShardWord(rawValue: rawValue | Self.publishingBit) }
    /// The next word without the mark.
    var published: ShardWord { ShardWord(rawValue: nextVersion.rawValue & ~Self.publishingBit) }
    var nextVersion: ShardWord { next(level: level, split: split) }
    var nextSplit: ShardWord {
        split + 1 == 1 << level
            ? next(level: level + 1, split: 0) : next(level: level, split: split + 1)
    }

    /// A later word that keeps the publishing mark.
    private func next(level: Int, split: Int) -> ShardWord {
        let word = ShardWord(level: level, split: split, version: version + 1)
        return isPublishing ? word.publishing : word
    }
}
