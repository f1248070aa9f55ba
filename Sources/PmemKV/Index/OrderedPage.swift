import CPmem

/// Some neighbouring records of the ordered index, in the order of a scan, and where the scan goes
/// on. One page is one leaf, as it was at one moment.
///
/// An entry is the record itself, where the hash index named it when the page was read: whoever
/// shows it looks again whether it still does. Where that could not be settled the entry is a copy
/// of the key, which is looked for.
@safe
struct OrderedPage: ~Copyable {
    struct Entry {
        let location: Location
        /// Of the life of the extent in which the leaf named the record.
        let salt: UInt64
        fileprivate(set) var kind = Kind.record
        /// Where a copied key stands.
        fileprivate var start: UInt32 = 0
        fileprivate var length: UInt32 = 0
    }

    enum Kind: UInt8 {
        /// The record was the newest of its key.
        case record
        /// The key was copied.
        case key
        /// The record may not be the newest, and is damaged: nobody can tell whose it is.
        case unreadable
    }

    /// Room for the slots of a leaf. No array, which would be retained for each entry that is
    /// looked at.
    private let entries: UnsafeMutablePointer<Entry>
    private(set) var count = 0
    private var bytes: [UInt8] = []
    /// Where the next page begins; nil behind the last one, and when the page was cut.
    private(set) var next: [UInt8]?
    /// Whether the limit kept some of the leaf's records out that belong to the page.
    private(set) var isCut = false
    /// What a leaf named that the hash index may no longer name, by the numbers of the entries.
    private var doubtful: [Int] = []

    init() { unsafe entries = .allocate(capacity: OrderedNode.capacity) }

    deinit { unsafe entries.deallocate() }

    private(set) subscript(number: Int) -> Entry {
        @inline(__always)
        get {
            precondition(number >= 0 && number < count)
            return unsafe entries[number]
        }
        @inline(__always)
        nonmutating set {
            precondition(number >= 0 && number < count)
            unsafe entries[number] = newValue
        }
    }

    /// Gives a copied key to body.
    func withKey<R, E: Error>(
        of entry: Entry, _ body: (ByteView) throws(E) -> R
    ) throws(E) -> R {
        let start = Int(entry.start)
        return try bytes.withByteView { all throws(E) in
            try body(all.slice(start..<(start + Int(entry.length))))
        }
    }

    fileprivate mutating func clear() {
        count = 0
        bytes.removeAll(keepingCapacity: true)
        doubtful.removeAll(keepingCapacity: true)
        next = nil
    }

    /// Loads what some slots of a leaf name, in the order of the scan.
    @inline(__always)
    fileprivate mutating func load(_ slots: Range<Int>, of leaf: OrderedNode, ascending: Bool) {
        count = slots.count
        for number in 0..<count {
            let location = leaf.location(
                ascending ? slots.lowerBound + number : slots.upperBound - 1 - number)
            self[number] = Entry(location: location, salt: 0)
        }
    }

    fileprivate mutating func setEnd(isCut: Bool, next key: OrderedKey?) {
        self.isCut = isCut
        next = isCut ? nil : key.map(\.bytes.array)
    }

    /// Finds out which of the records are the newest of their keys. Inside the epoch in which the
    /// leaf named them.
    ///
    /// - Parameter copiesFirst: the first entry is to be a key in any case.
    fileprivate mutating func settle(in index: OrderedIndex, copiesFirst: Bool) {
        for number in 0..<count {
            let location = self[number].location
            let salt = index.records.log.bounds(of: location)?.salt ?? 0
            self[number] = Entry(location: location, salt: salt)
            if copiesFirst && number == 0 || !index.isTrusted(location) { doubtful.append(number) }
        }
        guard !doubtful.isEmpty else { return }
        for number in doubtful { index.records.log.prefetchRecord(at: self[number].location) }
        for number in doubtful {
            index.withKey(of: self[number].location) { key in
                index.records.index.prefetch(index.records.hash(key))
            }
        }
        for number in doubtful { settle(number, in: index, copying: copiesFirst && number == 0) }
    }

    private mutating func settle(_ number: Int, in index: OrderedIndex, copying: Bool) {
        var mended: Location?
        let key: [UInt8]?? = index.withKey(of: self[number].location) { key in
            mended = copying ? nil : index.mend(key, from: self[number].location)
            return mended == nil ? key.array : nil
        }
        if let mended, let bounds = index.records.log.bounds(of: mended) {
            self[number] = Entry(location: mended, salt: bounds.salt)
        } else if let key = key ?? nil {
            self[number].kind = .key
            self[number].start = UInt32(truncatingIfNeeded: bytes.count)
            self[number].length = UInt32(truncatingIfNeeded: key.count)
            bytes += key
        } else {
            self[number].kind = .unreadable
        }
    }
}

extension OrderedIndex {
    /// Reads a page of at most `limit` entries at and above `key`, or below it when not ascending;
    /// without a key from the respective end. The page may be empty though more follow.
    ///
    /// - Complexity: O(log n); no lock, but for records that were overwritten since a scan met
    ///   them.
    func read(
        from key: [UInt8]?, ascending: Bool, limit: Int, copiesFirst: Bool,
        into page: inout OrderedPage
    ) {
        guard let key else {
            let bound = Bound(key: nil, ascending: ascending)
            return read(bound, limit, copiesFirst: copiesFirst, into: &page)
        }
        key.withByteView {
            read(
                Bound(key: $0, ascending: ascending), limit, copiesFirst: copiesFirst, into: &page)
        }
    }

    private func read(
        _ bound: Bound, _ limit: Int, copiesFirst: Bool, into page: inout OrderedPage
    ) {
        page.clear()
        reading {
            while !tryRead(bound, limit, into: &page) { cpmem_pause() }
            page.settle(in: self, copiesFirst: copiesFirst)
        }
    }

    /// False when the leaf changed meanwhile.
    private func tryRead(_ bound: Bound, _ limit: Int, into page: inout OrderedPage) -> Bool {
        let place = place(bound)
        let leaf = place.leaf
        let header = leaf.header
        let count = min(header.count, OrderedNode.capacity)
        var slots = 0..<count
        if let key = bound.key {
            guard let position = position(of: key, in: place, header) else { return false }
            slots = bound.ascending ? position..<count : 0..<position
        }
        let isCut = slots.count > limit
        if isCut { slots = bound.ascending ? slots.prefix(limit) : slots.suffix(limit) }
        page.load(slots, of: leaf, ascending: bound.ascending)
        // From here on the locations are known to be some, and stay readable until the epoch is
        // left; so does the separator.
        guard place.isStill() else { return false }
        page.setEnd(isCut: isCut, next: place.next)
        return true
    }

    /// Lets the slot of a key name its newest record, whose location it returns; nil when the key
    /// is gone, or another thread is at it. Inside the epoch in which the slot named `old`.
    fileprivate func mend(_ key: ByteView, from old: Location) -> Location? {
        let hash = records.hash(key)
        let lock = records.index.lock(of: hash)
        // Not waited for: the owner may be waiting for a medium.
        guard lock.tryLock() else { return nil }
        defer { lock.unlock() }
        guard let found = try? records.locate(key, hash)?.location,
            move(key, from: old, to: found)
        else { return nil }
        return found
    }
}
