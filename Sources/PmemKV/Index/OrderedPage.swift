import CPmem

/// Some neighbouring keys of the ordered index, copied, in the order of a scan, and where the scan
/// goes on. One page is one leaf, as it was at one moment.
struct OrderedPage {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// Where the next page begins; nil behind the last one.
    private(set) var next: [UInt8]?

    var count: Int { ends.count }

    /// Gives one key to body.
    func withKey<R, E: Error>(
        _ number: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        let start = number == 0 ? 0 : ends[number - 1]
        return try bytes.withStoreBytes { all throws(E) in
            try body(UnsafeRawBufferPointer(rebasing: all[start..<ends[number]]))
        }
    }

    fileprivate mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        next = nil
    }

    fileprivate mutating func append(_ key: OrderedKey) {
        bytes.append(contentsOf: key.bytes)
        ends.append(bytes.count)
    }

    fileprivate mutating func goOn(at key: OrderedKey?) { next = key.map { [UInt8]($0.bytes) } }
}

extension OrderedIndex {
    /// Reads up to `limit` keys at and above `key`, or below it when not ascending; without a key
    /// from the respective end. The page may be empty though more follow.
    ///
    /// - Complexity: O(log n) and the bytes of the keys; no lock.
    func read(from key: [UInt8]?, ascending: Bool, limit: Int, into page: inout OrderedPage) {
        guard let key else {
            return read(Bound(key: nil, ascending: ascending), limit: limit, into: &page)
        }
        key.withUnsafeBytes {
            read(Bound(key: $0, ascending: ascending), limit: limit, into: &page)
        }
    }

    private func read(_ bound: Bound, limit: Int, into page: inout OrderedPage) {
        page.clear()
        reading { while !tryRead(bound, limit: limit, into: &page) { cpmem_pause() } }
    }

    /// False when the leaf changed meanwhile; then the page is as it was.
    private func tryRead(_ bound: Bound, limit: Int, into page: inout OrderedPage) -> Bool {
        let place = place(bound)
        let leaf = place.leaf
        let header = leaf.header
        var slots = 0..<header.count
        if let key = bound.key {
            guard
                let position = leaf.position(of: key, pastEqual: false, header, place.version)
            else { return false }
            slots = bound.ascending ? position..<header.count : 0..<position
        }
        return withUnsafeTemporaryAllocation(of: OrderedKey.self, capacity: slots.count) { keys in
            for slot in slots {
                let key = leaf.key(slot)
                key.prefetch()
                (keys.baseAddress! + (slot - slots.lowerBound)).initialize(to: key)
            }
            // From here on the keys are known to be some, and stay until the epoch is left.
            guard place.isStill() else { return false }
            let taken = min(limit, slots.count)
            for number in 0..<taken {
                page.append(keys[bound.ascending ? number : slots.count - 1 - number])
            }
            if taken == slots.count {
                page.goOn(at: place.next)
            } else {
                // A search downwards begins below its key, one upwards at it.
                page.goOn(at: keys[bound.ascending ? taken : slots.count - taken])
            }
            return true
        }
    }
}
