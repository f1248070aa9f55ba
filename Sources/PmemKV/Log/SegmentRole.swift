/// What a segment is used for.
enum SegmentPhase: UInt8 {
    case free
    /// Being appended to.
    case open
    /// Closed for appending; a candidate for compaction.
    case sealed
    /// Holds records that no longer verify: never compacted, never freed.
    case quarantined
    /// Its copies are durable; readers may still look at it.
    case limbo
    case checkpoint
    /// A later segment of an extent.
    case continuation
}

/// A segment's phase, the first segment of its extent, and that extent's span, in one word, so that
/// whoever looks without a lock sees three that belong together.
struct SegmentRole {
    let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ phase: SegmentPhase, first: SegmentNumber, span: Int) {
        rawValue =
            UInt64(phase.rawValue) | UInt64(span) << 8
            | UInt64(truncatingIfNeeded: first.rawValue) << 32
    }

    /// One that was put in, so that nothing has to be checked.
    @inline(__always)
    var phase: SegmentPhase {
        unsafe SegmentPhase(rawValue: UInt8(truncatingIfNeeded: rawValue)).unsafelyUnwrapped
    }
    @inline(__always)
    var span: Int { Int(truncatingIfNeeded: rawValue >> 8 & 0xFF_FFFF) }
    @inline(__always)
    var first: SegmentNumber { SegmentNumber(Int(truncatingIfNeeded: rawValue >> 32)) }

    func with(_ phase: SegmentPhase) -> SegmentRole {
        SegmentRole(phase, first: first, span: span)
    }
}
