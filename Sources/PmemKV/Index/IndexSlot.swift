import CPmem

/// One word of a bucket: a 24-bit fingerprint, a link bit, a 39-bit location.
///
/// Zero is empty: the superblock lies at location zero, so no record does. A link stands only in
/// the last slot of a bucket and holds the number of an overflow bucket.
struct IndexSlot: Equatable {
    let rawValue: UInt64

    private static let locationMask: UInt64 = (1 << 39) - 1
    private static let linkBit: UInt64 = 1 << 39

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    @inline(__always)
    init(hash: UInt64, location: Location) {
        rawValue = hash & (0xFF_FFFF << 40) | location.units
    }

    @inline(__always)
    init(fingerprintOf slot: IndexSlot, location: Location) {
        rawValue = slot.rawValue & (0xFF_FFFF << 40) | location.units
    }

    init(linkTo overflow: Int) { rawValue = Self.linkBit | UInt64(overflow) }

    static let empty = IndexSlot(rawValue: 0)

    @inline(__always)
    var isEmpty: Bool { rawValue == 0 }
    @inline(__always)
    var isLink: Bool { rawValue & Self.linkBit != 0 }
    @inline(__always)
    var isItem: Bool { rawValue != 0 && !isLink }
    @inline(__always)
    var location: Location { Location(units: rawValue & Self.locationMask) }
    /// The number of the overflow bucket a link leads to.
    var overflow: Int { Int(rawValue & Self.locationMask) }
    /// Bits 40 to 63 of the key's hash.
    @inline(__always)
    var fingerprint: UInt64 { rawValue >> 40 }

    @inline(__always)
    func matches(_ hash: UInt64) -> Bool { isItem && fingerprint == hash >> 40 }
}
