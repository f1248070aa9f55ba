import CPmem

/// The life of a segment: which use of it this is, and what for. One 8-byte word that certifies
/// itself, replaced by one atomic store.
package struct LifeWord: Equatable, Sendable {
    package enum State: UInt8, Sendable {
        case free = 1
        case log = 2
        case checkpoint = 3
    }

    /// The most segments an extent can have.
    static let maximumSpan = 0xFFFF
    /// A segment of this generation is not used again.
    static let lastGeneration = UInt32.max

    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(
        poolID: UInt64, segment: SegmentNumber, generation: UInt32, span: Int, state: State
    ) {
        rawValue = cpmem_life_word(
            poolID, UInt32(segment.rawValue), generation, UInt16(span), state.rawValue)
    }

    /// That of a segment that was never used.
    static func unused(poolID: UInt64, segment: SegmentNumber) -> LifeWord {
        LifeWord(poolID: poolID, segment: segment, generation: 0, span: 1, state: .free)
    }

    @inline(__always)
    package var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
    /// Segments in this extent, itself included.
    @inline(__always)
    package var span: Int { Int(truncatingIfNeeded: rawValue >> 16 & 0xFFFF) }
    package var state: State? { State(rawValue: UInt8(rawValue >> 14 & 3)) }

    /// Whether the word belongs to this segment of this pool and is whole.
    func isValid(poolID: UInt64, segment: SegmentNumber) -> Bool {
        guard let state, state == .free ? span == 1 : span > 0 else { return false }
        return self
            == LifeWord(
                poolID: poolID, segment: segment, generation: generation, span: span, state: state)
    }

    /// What the checksums of everything written in this life begin with.
    func salt(poolID: UInt64, segment: SegmentNumber) -> UInt64 {
        Self.salt(poolID: poolID, segment: segment, generation: generation)
    }

    static func salt(poolID: UInt64, segment: SegmentNumber, generation: UInt32) -> UInt64 {
        cpmem_salt(poolID, UInt32(segment.rawValue), generation)
    }
}

/// Where the records of a sealed extent end; valid for one life only.
struct SealWord: Equatable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(salt: UInt64, end: Units) { rawValue = cpmem_seal_word(salt, UInt32(end.count)) }

    var end: Units { Units(Int(rawValue >> 32)) }

    func isValid(salt: UInt64) -> Bool { self == SealWord(salt: salt, end: end) }
}

/// How far an extent was durable at a clean close that did not seal it; valid for one life only,
/// and true for all of that life, whatever is appended later.
struct TailWord: Equatable {
    let rawValue: UInt64

    private static let tag: UInt64 = 0x5441_494C_5441_494C

    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(salt: UInt64, end: Units) {
        rawValue = cpmem_seal_word(salt ^ Self.tag, UInt32(end.count))
    }

    var end: Units { Units(Int(rawValue >> 32)) }

    func isValid(salt: UInt64) -> Bool { self == TailWord(salt: salt, end: end) }
}
