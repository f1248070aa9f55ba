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

    /// Keys at or above `from`.
    public init(from: some StoreBytes) { self.init(from: from.array, to: nil) }

    /// Keys below `to`.
    public init(to: some StoreBytes) { self.init(from: nil, to: to.array) }

    /// Keys at or above `from` and below `to`.
    public init(from: some StoreBytes, to: some StoreBytes) {
        let bounds: ([UInt8]?, [UInt8]?) = (from.array, to.array)
        self.init(from: bounds.0, to: bounds.1)
    }

    /// Keys that begin with these bytes.
    public static func prefix(_ prefix: some StoreBytes) -> KeyRange {
        let prefix = prefix.array
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

    /// The part of the range up to a key and with it, in the order of a scan.
    func part(through key: [UInt8], reverse: Bool) -> KeyRange {
        reverse ? KeyRange(from: key, to: to) : KeyRange(from: from, to: key + [0])
    }

    func contains(_ key: ByteView) -> Bool {
        if let from, key.order(against: from) < 0 { return false }
        if let to, key.order(against: to) >= 0 { return false }
        return true
    }
}
