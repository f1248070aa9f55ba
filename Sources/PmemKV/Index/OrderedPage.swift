import CPmem

/// Some neighbouring records of the ordered index, in the order of a scan, and where the scan goes
/// on. One page is one leaf, as it was at one moment.
///
/// An entry is the place of a record, where the hash index named it when the page was read: whoever
/// shows it looks again whether it still does. Where that could not be settled the entry is a copy
/// of the key, which is looked for.
@safe
struct OrderedPage: ~Copyable {
    /// An entry that is not simply a record.
    private struct Exception {
        let number: Int
        /// Where the copied key stands; nil when the record may not be the newest and is damaged:
        /// nobody can tell whose it is.
        let key: Range<Int>?
    }

    /// Slots of a leaf, and the version in which they named what was loaded from them.
    fileprivate struct LeafSlots {
        let leaf: OrderedNode
        var version: UInt64
        let slots: Range<Int>
        let ascending: Bool

        /// The slot of an entry, in the order of the scan.
        @inline(__always)
        func slot(of number: Int) -> Int {
            ascending ? slots.lowerBound &+ number : slots.upperBound &- 1 &- number
        }

        /// Lets the slot of an entry name another record of its key, unless the leaf has changed.
        /// Its shard is locked.
        mutating func move(_ number: Int, to location: Location) -> Bool {
            guard leaf.tryLock(version) else { return false }
            leaf.setLocation(location, at: slot(of: number))
            version = leaf.unlock()
            return true
        }
    }

    /// Room for the slots of a leaf, as units. No array, which would be retained for each entry
    /// that is looked at.
    private let units: UnsafeMutablePointer<UInt64>
    private(set) var count = 0
    /// The numbers of the exceptions, a bit for each.
    private var exceptionBits: UInt64 = 0
    private var exceptions: [Exception] = []
    private var bytes: [UInt8] = []
    /// Lives that had begun when the page was read (``Segments/livesBegun``): while no other has,
    /// each location holds the record that the leaf named.
    fileprivate(set) var lives: UInt64 = 0
    /// Where the next page begins; nil behind the last one, and when the page was cut.
    private(set) var next: [UInt8]?
    /// Whether the limit kept some of the leaf's records out that belong to the page.
    private(set) var isCut = false
    /// The slots that were loaded, while the epoch lasts in which they were.
    private var slots: LeafSlots?

    init() {
        assert(OrderedNode.capacity <= UInt64.bitWidth)
        unsafe units = .allocate(capacity: OrderedNode.capacity)
    }

    deinit { unsafe units.deallocate() }

    /// Where the record of an entry lies.
    @inline(__always)
    private(set) subscript(number: Int) -> Location {
        get {
            precondition(number >= 0 && number < count)
            return Location(units: unsafe units[number])
        }
        nonmutating set {
            precondition(number >= 0 && number < count)
            unsafe units[number] = newValue.units
        }
    }

    /// Whether an entry is the record that was the newest of its key.
    @inline(__always)
    func isRecord(_ number: Int) -> Bool {
        exceptionBits &>> UInt64(truncatingIfNeeded: number) & 1 == 0
    }

    /// Gives the copied key of an entry that is no record to body; nil when it could not be told.
    func withKey<R, E: Error>(
        of number: Int, _ body: (ByteView) throws(E) -> R
    ) throws(E) -> R? {
        guard let range = exceptions.first(where: { $0.number == number })?.key else { return nil }
        return try bytes.withByteView { all throws(E) in try body(all.slice(range)) }
    }

    fileprivate mutating func clear() {
        count = 0
        exceptionBits = 0
        if !exceptions.isEmpty {
            exceptions.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
        }
        next = nil
        slots = nil
    }

    /// Loads what some slots of a leaf name, in the order of the scan.
    @inline(__always)
    fileprivate mutating func load(_ slots: LeafSlots) {
        count = slots.slots.count
        for number in 0..<count {
            self[number] = slots.leaf.location(slots.slot(of: number))
        }
        self.slots = slots
    }

    fileprivate mutating func setEnd(isCut: Bool, next key: OrderedKey?) {
        self.isCut = isCut
        next = isCut ? nil : key.map(\.bytes.array)
    }

    // MARK: Which are the newest

    /// Finds out which of the records are the newest of their keys. Inside the epoch in which the
    /// leaf named them.
    ///
    /// - Parameter copiesFirst: the first entry is to be a key in any case.
    @inline(__always)
    fileprivate mutating func settle(in index: OrderedIndex, copiesFirst: Bool) {
        var doubtful: UInt64 = 0
        for number in 0..<count where !index.isTrusted(self[number]) {
            doubtful |= 1 &<< UInt64(truncatingIfNeeded: number)
        }
        if copiesFirst, count > 0 { doubtful |= 1 }
        if doubtful != 0 { settle(doubtful, in: index, copiesFirst: copiesFirst) }
    }

    @inline(never)
    private mutating func settle(
        _ doubtful: UInt64, in index: OrderedIndex, copiesFirst: Bool
    ) {
        let numbers = (0..<count).filter { doubtful &>> UInt64($0) & 1 != 0 }
        for number in numbers { index.records.log.prefetchRecord(at: self[number]) }
        // Each step of all of them waits for the processor's memory once.
        let hashes = numbers.map { number in
            index.withKey(of: self[number]) { key in
                let hash = index.records.hash(index.tableKey(key))
                index.records.index.prefetch(hash)
                return hash
            }
        }
        for hash in hashes {
            guard let hash else { continue }
            let newest = index.records.index.likelyLocation(of: hash)
            index.records.log.prefetchRecord(at: newest, lines: RecordLayout.shortLines)
            index.trusted.prefetch(newest)
        }
        for (number, hash) in zip(numbers, hashes) {
            settle(number, hash, in: index, copying: copiesFirst && number == 0)
        }
    }

    private mutating func settle(
        _ number: Int, _ hash: KeyHash?, in index: OrderedIndex, copying: Bool
    ) {
        var mended: Location?
        let key: [UInt8]?? = index.withKey(of: self[number]) { key in
            if let hash, !copying { mended = mend(number, key, hash, in: index) }
            return mended == nil ? key.array : nil
        }
        if let mended {
            self[number] = mended
            return
        }
        exceptionBits |= 1 &<< UInt64(number)
        guard let key = key ?? nil else {
            return exceptions.append(Exception(number: number, key: nil))
        }
        exceptions.append(
            Exception(number: number, key: bytes.count..<(bytes.count + key.count)))
        bytes += key
    }

    /// Lets the slot of an entry name the newest record of its key, whose location it returns; nil
    /// when the key is gone, or another thread is at it.
    private mutating func mend(
        _ number: Int, _ key: ByteView, _ hash: KeyHash, in index: OrderedIndex
    ) -> Location? {
        let lock = index.records.index.lock(of: hash)
        // Not waited for: the owner may be waiting for a medium.
        guard lock.tryLock() else { return nil }
        defer { lock.unlock() }
        guard let newest = try? index.records.locate(index.tableKey(key), hash)?.location else {
            return nil
        }
        if let isMoved = slots?.move(number, to: newest), isMoved {
            index.trust(newest)
            return newest
        }
        return index.move(key, from: self[number], to: newest) ? newest : nil
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
        page.lives = records.log.segments.livesBegun
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
        page.load(
            .init(leaf: leaf, version: place.version, slots: slots, ascending: bound.ascending))
        // From here on the locations are known to be some, and stay readable until the epoch is
        // left; so does the separator.
        guard place.isStill() else { return false }
        page.setEnd(isCut: isCut, next: place.next)
        return true
    }
}
