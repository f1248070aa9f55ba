import CPmem

// The numbers of a pool, each of a type of its own: a segment is no length, and a length no
// sequence number, however alike they look.

/// A segment's place in the table, from 0.
package struct SegmentNumber: Hashable, Sendable, Strideable, CustomStringConvertible {
    package let rawValue: Int

    @inline(__always)
    package init(_ rawValue: Int) { self.rawValue = rawValue }

    package var description: String { "\(rawValue)" }

    @inline(__always)
    package func distance(to other: SegmentNumber) -> Int { other.rawValue - rawValue }
    @inline(__always)
    package func advanced(by count: Int) -> SegmentNumber { SegmentNumber(rawValue + count) }

    @inline(__always)
    package static func + (segment: SegmentNumber, count: Int) -> SegmentNumber {
        SegmentNumber(segment.rawValue + count)
    }
}

/// A length, or a distance from the start of an extent, in units of 64 bytes.
package struct Units: Hashable, Sendable, Comparable, AdditiveArithmetic {
    package let count: Int

    @inline(__always)
    package init(_ count: Int) { self.count = count }

    package static let zero = Units(0)

    /// The units that so many bytes take.
    @inline(__always)
    package init(roundingUp bytes: Int) { count = (bytes + 63) >> 6 }

    @inline(__always)
    package var bytes: Int { count &* 64 }

    @inline(__always)
    package static func < (left: Units, right: Units) -> Bool { left.count < right.count }
    @inline(__always)
    package static func + (left: Units, right: Units) -> Units { Units(left.count + right.count) }
    @inline(__always)
    package static func - (left: Units, right: Units) -> Units { Units(left.count - right.count) }
    @inline(__always)
    package static func * (left: Int, right: Units) -> Units { Units(left * right.count) }
}

/// The age of a record: of two records of a key the one with the higher number counts.
package struct SequenceNumber: Hashable, Sendable, Comparable {
    package let rawValue: UInt64

    @inline(__always)
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Below every number a record can have.
    package static let zero = SequenceNumber(0)
    /// Above every number a record can have; stands for "none" where the lowest is looked for.
    package static let none = SequenceNumber(.max)
    /// Numbers, and the superblock's counters, are below this: ten million writes a second reach it
    /// in 14,000 years. What states more is damaged, and nothing has to mind an overflow.
    package static let end = SequenceNumber(1 << 62)

    @inline(__always)
    package static func < (left: SequenceNumber, right: SequenceNumber) -> Bool {
        left.rawValue < right.rawValue
    }
    @inline(__always)
    package static func + (number: SequenceNumber, count: Int) -> SequenceNumber {
        SequenceNumber(number.rawValue &+ UInt64(truncatingIfNeeded: count))
    }
}

/// The hash of a key under a pool's seed (docs/format.md, "Key hash").
package struct KeyHash: Hashable, Sendable, Comparable {
    package let rawValue: UInt64

    @inline(__always)
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Complexity: O(bytes), 16 bytes a multiplication.
    @inline(__always)
    package init(of key: ByteView, seed: UInt64) {
        rawValue = unsafe cpmem_key_hash(key.baseAddress, key.count, seed)
    }

    @inline(__always)
    package static func < (left: KeyHash, right: KeyHash) -> Bool {
        left.rawValue < right.rawValue
    }
}
