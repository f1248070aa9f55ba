import CPmem

/// The life of a segment: which use of it this is, and what for. One 8-byte word that certifies
/// itself, replaced by one atomic store.
package struct LifeWord: Equatable, Sendable {
    package enum State: UInt8, Sendable {
        case free = 1
        case log = 2
        case checkpoint = 3
    }

    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    init(poolID: UInt64, segment: Int, generation: UInt32, span: Int, state: State) {
        rawValue = cpmem_life_word(
            poolID, UInt32(segment), generation, UInt16(span), state.rawValue)
    }

    package var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
    /// Segments in this extent, itself included.
    package var span: Int { Int(rawValue >> 16 & 0xFFFF) }
    package var state: State? { State(rawValue: UInt8(rawValue >> 14 & 3)) }

    /// Whether the word belongs to this segment of this pool and is whole.
    func isValid(poolID: UInt64, segment: Int) -> Bool {
        guard let state, span > 0 else { return false }
        return self
            == LifeWord(
                poolID: poolID, segment: segment, generation: generation, span: span, state: state)
    }
}

/// Where the records of a sealed extent end; valid for one life only.
struct SealWord: Equatable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(salt: UInt64, endUnits: Int) {
        rawValue = cpmem_seal_word(salt, UInt32(endUnits))
    }

    var endUnits: Int { Int(rawValue >> 32) }

    func isValid(salt: UInt64) -> Bool { self == SealWord(salt: salt, endUnits: endUnits) }
}

/// How far an extent was durable at a clean close that did not seal it; valid for one life only,
/// and true for all of that life, whatever is appended later.
struct TailWord: Equatable {
    let rawValue: UInt64

    private static let tag: UInt64 = 0x5441_494C_5441_494C

    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(salt: UInt64, endUnits: Int) {
        rawValue = cpmem_seal_word(salt ^ Self.tag, UInt32(endUnits))
    }

    var endUnits: Int { Int(rawValue >> 32) }

    func isValid(salt: UInt64) -> Bool { self == TailWord(salt: salt, endUnits: endUnits) }
}
