/// What a scan of a transaction shows: what is stored, with what the transaction is going to write
/// in its place.
///
/// Invariant: ``storedCount`` keys are stored in the range up to ``end``, or all of it without one.
struct ScanMerge {
    typealias Body = (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool

    private let own: [(key: [UInt8], update: ValueUpdate)]
    private var next = 0
    private let reverse: Bool
    private var left: Int
    /// Stored keys that the scan has come to.
    private(set) var storedCount = 0
    /// The key at which it ended before the end of its range.
    private(set) var end: [UInt8]?
    /// Whether the error that ended it is callers'.
    private(set) var isOfBody = false

    /// - Parameter own: what is going to be written, in the order of the scan.
    init(_ own: [(key: [UInt8], update: ValueUpdate)], reverse: Bool, limit: Int) {
        self.own = own
        self.reverse = reverse
        left = limit
    }

    /// Shows what is to be shown up to a stored key. False when that was enough.
    mutating func show(
        _ key: RawSpan, _ value: RawSpan, _ body: Body
    ) throws(StoreError) -> Bool {
        while next < own.count {
            let order = key.withByteView { $0.order(against: own[next].key) }
            if order == 0 {
                storedCount += 1
                return try showOwn(body)
            }
            guard (order > 0) != reverse else { break }
            guard try showOwn(body) else { return false }
        }
        storedCount += 1
        return try show(body, key, value)
    }

    /// Shows what is to be shown behind the last stored key.
    mutating func showRest(_ body: Body) throws(StoreError) {
        while end == nil, next < own.count { _ = try showOwn(body) }
    }

    private mutating func showOwn(_ body: Body) throws(StoreError) -> Bool {
        let entry = own[next]
        next += 1
        guard case .set(let value) = entry.update else { return true }
        return try entry.key.withStoreBytes { key throws(StoreError) in
            try value.withStoreBytes { value throws(StoreError) in try show(body, key, value) }
        }
    }

    private mutating func show(
        _ body: Body, _ key: RawSpan, _ value: RawSpan
    ) throws(StoreError) -> Bool {
        left -= 1
        do throws(StoreError) {
            if try body(key, value), left > 0 { return true }
        } catch {
            end = key.withByteView(\.array)
            isOfBody = true
            throw error
        }
        end = key.withByteView(\.array)
        return false
    }
}
