import CPmem

/// One slot of a bucket in DRAM: where an item or a link stands, or nothing.
///
/// A handle: the index whose bucket this is keeps the memory.
struct IndexPlace {
    private let word: AtomicWord

    @inline(__always)
    init(_ word: AtomicWord) { self.word = word }

    @inline(__always)
    func load() -> IndexSlot { IndexSlot(rawValue: word.loadAcquire()) }

    /// What the slot refers to has been stored before.
    @inline(__always)
    func store(_ slot: IndexSlot) {
        SchedulingPoint.pass()
        word.storeRelease(slot.rawValue)
    }
}

/// A bucket in DRAM.
///
/// A handle: the ``BucketArray`` that it was taken from keeps the memory.
@safe
struct Bucket {
    private let line: UnsafeMutableRawPointer

    /// - Parameter line: a cache line of slots.
    @unsafe @inline(__always)
    init(_ line: UnsafeMutableRawPointer) { unsafe self.line = line }

    @inline(__always)
    subscript(slot: Int) -> IndexPlace {
        assert((0..<BucketLayout.slots).contains(slot))
        return IndexPlace(
            unsafe AtomicWord(line + slot &* MemoryLayout<IndexSlot>.size))
    }

    /// The number of the overflow bucket that goes on where this one ends.
    @inline(__always)
    var link: Int? { self[BucketLayout.linkSlot].load().link }

    /// How many slots hold neither an item nor a link.
    var emptySlots: Int {
        (0..<BucketLayout.slots).count { self[$0].load().isEmpty }
    }

    /// The word that a bucket which is not in use has for its shard's list.
    var nextFree: FreeBucketLink {
        get { FreeBucketLink(rawValue: self[BucketLayout.nextFreeSlot].load().rawValue) }
        nonmutating set {
            self[BucketLayout.nextFreeSlot].store(IndexSlot(rawValue: newValue.rawValue))
        }
    }

    /// The slots that carried the tag at some moment of the call; what they hold has to be loaded
    /// again before it is trusted.
    @inline(__always)
    func slots(tagged tag: UInt16) -> SlotSet {
        unsafe SlotSet(mask: cpmem_bucket_match(line, tag))
    }

    /// The first slot that carries the tag; when there is none, some other one.
    @inline(__always)
    func likelySlot(_ tag: UInt16) -> IndexSlot {
        IndexSlot(rawValue: unsafe cpmem_bucket_first(line, tag))
    }

    /// Starts to load the bucket.
    @inline(__always)
    func prefetch() { unsafe cpmem_prefetch(line) }

    /// Numbers of slots, ascending.
    struct SlotSet: Sequence, IteratorProtocol {
        fileprivate var mask: UInt32

        @inline(__always)
        mutating func next() -> Int? {
            guard mask != 0 else { return nil }
            defer { mask &= mask &- 1 }
            return mask.trailingZeroBitCount
        }
    }
}

/// The memory of buckets: all empty at first, freed with its owner.
@safe
struct BucketArray: ~Copyable, @unchecked Sendable {
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private let isReserved: Bool

    /// - Parameter isReserved: takes address space of its own, and memory only for what is used.
    init(capacity: Int, isReserved: Bool) throws(StoreError) {
        let bytes = capacity * BucketLayout.bytes
        self.capacity = capacity
        self.isReserved = isReserved
        guard isReserved else {
            unsafe base = .allocate(byteCount: bytes, alignment: BucketLayout.bytes)
            unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
            return
        }
        guard let memory = unsafe cpmem_reserve(bytes, 1) else {
            throw StoreError(.io, "no address space for \(bytes) bytes of an index")
        }
        unsafe base = memory
    }

    deinit {
        if isReserved {
            unsafe cpmem_release(base, capacity * BucketLayout.bytes)
        } else {
            unsafe base.deallocate()
        }
    }

    @inline(__always)
    subscript(number: Int) -> Bucket {
        assert(number >= 0 && number < capacity)
        return unsafe Bucket(base + number &* BucketLayout.bytes)
    }

    /// Neighbouring buckets as bytes. Nobody changes them meanwhile, and the array lives as long.
    @unsafe
    func bytes(_ range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= capacity)
        return unsafe ByteView(
            base: base + range.lowerBound * BucketLayout.bytes,
            count: range.count * BucketLayout.bytes)
    }

    /// Makes the buckets from one on hold these bytes. Nobody else uses them yet.
    func copy(from bytes: ByteView, at first: Int) {
        let start = first * BucketLayout.bytes
        precondition(first >= 0 && start + bytes.count <= capacity * BucketLayout.bytes)
        let target = unsafe UnsafeMutableRawBufferPointer(
            start: base + start, count: bytes.count)
        unsafe target.copyMemory(from: bytes.buffer)
    }
}
