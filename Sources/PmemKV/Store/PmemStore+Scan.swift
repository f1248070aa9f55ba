/// Keys from a lower bound to below an upper one, in bytewise order.
public struct KeyRange: Sendable, Equatable {
    /// The first key that belongs to the range; nil for no bound.
    public var from: [UInt8]?
    /// The first key behind the range; nil for no bound.
    public var to: [UInt8]?

    /// Every key.
    public static let all = KeyRange()

    /// Keys at or above `from` and below `to`.
    public init(from: [UInt8]? = nil, to: [UInt8]? = nil) {
        self.from = from
        self.to = to
    }

    /// Keys that begin with these bytes.
    public static func prefix(_ prefix: [UInt8]) -> KeyRange {
        // The upper bound is the prefix with its last byte below 255 raised by one.
        var upper = prefix
        while let last = upper.last {
            upper.removeLast()
            if last < 255 {
                return KeyRange(from: prefix, to: upper + [last + 1])
            }
        }
        return KeyRange(from: prefix.isEmpty ? nil : prefix)
    }

    /// Keys of both ranges.
    public func intersection(_ other: KeyRange) -> KeyRange {
        func order(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }
        let from = [from, other.from].compactMap { $0 }.max(by: order)
        let to = [to, other.to].compactMap { $0 }.min(by: order)
        return KeyRange(from: from, to: to)
    }

    /// What is left of the range behind a key that a scan has shown.
    func part(behind key: [UInt8], reverse: Bool) -> KeyRange {
        // No key lies between one and the same with a zero behind it.
        reverse ? KeyRange(from: from, to: key) : KeyRange(from: key + [0], to: to)
    }

    func contains(_ key: ByteView) -> Bool {
        if let from, key.order(against: from) < 0 { return false }
        if let to, key.order(against: to) >= 0 { return false }
        return true
    }
}

extension PmemStore {
    /// Calls body with keys and values of a range in bytewise key order, until it returns false.
    ///
    /// A scan is no snapshot. A key that is there throughout comes exactly once, with the newest
    /// value when body sees it. One that is removed meanwhile is left out, unless it was shown
    /// before; one that is added meanwhile is shown at most once: with the ordered index if it lies
    /// ahead, with the hash index perhaps. `limit` entries are shown as long as there are more.
    ///
    /// The spans are valid during that call only, and what they show stays as it is. Body may use
    /// the store, writes included, but not close it; `close()` on another thread waits for body,
    /// and then the scan throws `closed`. A body that runs long keeps at most the segment of the
    /// value from being reused.
    ///
    /// - Throws: `closed`; `invalidArgument` for a negative limit; `corrupt` or `media` for a
    ///   damaged record of the range, and for one anywhere in the store that is too damaged to tell
    ///   its key. With the ordered index that may be an older record of a key, by which its place
    ///   is known; opening the pool again helps then.
    /// - Complexity: for n keys in the store, with the ordered index O(log n) and O(1) an entry,
    ///   and memory of some kilobytes. The hash index keeps no order: a pass over all its records,
    ///   O(n), finds the first keys of the range, as many as 12 MiB hold (with their sorting
    ///   below 64 MiB) or `limit` asks for; those behind take another pass, and so on.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if let limit {
            guard limit >= 0 else {
                throw StoreError(.invalidArgument, "a scan cannot show \(limit) entries")
            }
            guard limit > 0 else { return try engine.gate.checkReadable() }
        }
        try engine.scan(range, reverse: reverse, limit: limit ?? .max, body)
    }
}
