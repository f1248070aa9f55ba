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

    func contains(_ key: ByteView) -> Bool {
        if let from, key.order(against: from) < 0 { return false }
        if let to, key.order(against: to) >= 0 { return false }
        return true
    }
}

extension PmemStore {
    /// Calls body with keys and values of a range in bytewise key order, until it returns false.
    ///
    /// Each key comes at most once, with the newest value when body sees it; a key removed
    /// meanwhile is left out. One that is added meanwhile may be left out with the hash index; with
    /// the ordered index it is met if it lies ahead. The spans are valid during that call only.
    /// Body may use the store.
    ///
    /// - Throws: `closed`; `invalidArgument` for a negative limit; `corrupt` or `media` for a
    ///   damaged record of the range, and for one anywhere in the store that is too damaged to tell
    ///   its key.
    /// - Complexity: with the ordered index O(log n) and O(1) an entry, for n keys in the store;
    ///   memory for 64 keys. With the hash index O(n log n), since it keeps no order: the keys of
    ///   the range are collected and sorted first; with `limit` the memory is that of so many keys.
    public func scan(
        _ range: KeyRange = .all, reverse: Bool = false, limit: Int? = nil,
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Bool
    ) throws(StoreError) {
        if let limit {
            guard limit >= 0 else {
                throw StoreError(.invalidArgument, "a scan cannot show \(limit) entries")
            }
            if limit == 0 { return }
        }
        try engine.scan(range, reverse: reverse, limit: limit ?? .max, body)
    }
}
