/// Which places of the log a leaf of the ordered index may name without anybody asking: a bit for
/// each unit of the pool, set where a record begins that the hash index names.
///
/// Invariants:
/// - A bit is set under the shard's lock of the record's key, while the hash index names the
///   record, and taken back under the same lock before the index names another one or none. So
///   whoever sees it set has what a look into the hash index would have given at that moment.
/// - A clear bit says nothing: one may be missing, and the hash index is asked.
/// - All bits of an extent are clear when it is freed, since nothing in it is named any more: its
///   next life begins without any.
/// - While a batch is being published no bit counts.
/// - There is room for the bits of all segments that the pool may grow to, which costs addresses
///   only.
final class TrustBits: Sendable {
    private let words: SharedLines
    private let control = SharedLines(1)
    /// Batches that are being published.
    @inline(__always)
    private var batches: AtomicWord { control[0] }

    init(_ geometry: Geometry) {
        words = SharedLines(Self.lines(for: geometry.bytes(ofSegments: geometry.segmentLimit)))
    }

    private static func lines(for poolBytes: Int) -> Int {
        poolBytes / Geometry.line / (64 * SharedLines.wordsPerLine) + 1
    }

    /// Bytes for a pool of this size.
    func memoryBytes(_ size: PoolSize) -> Int { Self.lines(for: size.bytes) * Geometry.line }

    /// Around the changes of a batch, all of which readers are to see or none.
    func beginBatch() { batches.fetchAdd(1) }
    func endBatch() { batches.fetchSubtract(1) }

    /// Whether no batch is being published.
    @inline(__always)
    var areValid: Bool { batches.loadAcquire() == 0 }

    @inline(__always)
    private func word(_ location: Location) -> AtomicWord {
        words[Int(truncatingIfNeeded: location.units &>> 6)]
    }

    @inline(__always)
    private func mask(_ location: Location) -> UInt64 { 1 &<< (location.units & 63) }

    @inline(__always)
    func contains(_ location: Location) -> Bool {
        word(location).loadAcquire() & mask(location) != 0
    }

    @inline(__always)
    func insert(_ location: Location) { word(location).fetchOr(mask(location)) }

    /// The hash index is about to name another record of this key, or none. Shard locked.
    @inline(__always)
    func take(back location: Location) {
        // Nobody else changes this bit meanwhile, and most often it has long been taken back.
        if contains(location) { word(location).fetchAnd(~mask(location)) }
    }

    /// Whether no bit is set from one place to another, the end not included. O(units).
    func isEmpty(from start: Location, to end: Location) -> Bool {
        (start.units..<end.units).allSatisfy { !contains(Location(units: $0)) }
    }

    /// Starts to load the bit of a place that may be anywhere.
    @inline(__always)
    func prefetch(_ hint: Location) {
        let isInside = hint.units &>> 6 < words.count * SharedLines.wordsPerLine
        if isInside { word(hint).prefetch() }
    }
}
