import CPmem

/// Some neighbouring keys of the ordered index, copied, in the order of a scan, and where the scan
/// goes on. One page is one leaf, as it was at one moment.
struct OrderedPage: KeyList {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// The leaf's keys while the page is read.
    private var found: [OrderedKey] = []
    /// Where the next page begins; nil behind the last one.
    private(set) var next: [UInt8]?

    var count: Int { ends.count }

    /// Gives one key to body.
    func withKey<R, E: Error>(
        _ number: Int, _ body: (ByteView) throws(E) -> R
    ) throws(E) -> R {
        let start = number == 0 ? 0 : ends[number - 1]
        return try bytes.withByteView { all throws(E) in
            try body(all.slice(start..<ends[number]))
        }
    }

    fileprivate mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        next = nil
    }

    /// Loads the words of a leaf's keys in the order of the scan, and starts to load the keys.
    fileprivate mutating func lookAt(_ slots: Range<Int>, of leaf: OrderedNode, ascending: Bool) {
        found.removeAll(keepingCapacity: true)
        for number in 0..<slots.count {
            let key = leaf.key(
                ascending ? slots.lowerBound + number : slots.upperBound - 1 - number)
            key.prefetch()
            found.append(key)
        }
    }

    /// Copies as many of the keys as belong to the page; `next` begins behind all of them.
    fileprivate mutating func take(_ limit: Int, ascending: Bool, next: OrderedKey?) {
        let taken = min(limit, found.count)
        for key in found[..<taken] {
            unsafe bytes.append(contentsOf: key.bytes.buffer)
            ends.append(bytes.count)
        }
        // A search downwards begins below its key, one upwards at it.
        let goOn = taken == found.count ? next : found[ascending ? taken : taken - 1]
        self.next = goOn.map(\.bytes.array)
    }
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
        key.withByteView {
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
        page.lookAt(slots, of: leaf, ascending: bound.ascending)
        // From here on the keys are known to be some, and stay until the epoch is left.
        guard place.isStill() else { return false }
        page.take(limit, ascending: bound.ascending, next: place.next)
        return true
    }
}
