import CPmem

/// A 64-bit word in raw memory that several threads share: the safe face of the C atomics.
///
/// A handle, not an owner: whoever allocated the memory keeps it for as long as the word is used.
/// Every access is one instruction, or a loop of two for ``lower(to:)``.
@safe
struct AtomicWord {
    private let address: UnsafeMutableRawPointer

    /// - Parameter address: aligned to 8 bytes.
    @unsafe @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    /// The word so many words behind this one.
    @unsafe @inline(__always)
    func next(_ count: Int) -> AtomicWord { unsafe AtomicWord(address + count &* 8) }

    @inline(__always)
    func loadRelaxed() -> UInt64 { unsafe cpmem_load_relaxed(address) }

    @inline(__always)
    func loadAcquire() -> UInt64 { unsafe cpmem_load_acquire(address) }

    @inline(__always)
    func loadSequential() -> UInt64 { unsafe cpmem_load_seq_cst(address) }

    @inline(__always)
    func storeRelaxed(_ value: UInt64) { unsafe cpmem_store_relaxed(address, value) }

    @inline(__always)
    func storeRelease(_ value: UInt64) { unsafe cpmem_store_release(address, value) }

    @inline(__always)
    func storeSequential(_ value: UInt64) {
        storeRelease(value)
        cpmem_fence_seq_cst()
    }

    /// Adds, sequentially consistent; returns the value before.
    @inline(__always) @discardableResult
    func fetchAdd(_ amount: UInt64) -> UInt64 { unsafe cpmem_fetch_add(address, amount) }

    /// Subtracts, sequentially consistent; returns the value before.
    @inline(__always) @discardableResult
    func fetchSubtract(_ amount: UInt64) -> UInt64 { unsafe cpmem_fetch_sub(address, amount) }

    /// Adds without ordering anything else; returns the value before.
    @inline(__always) @discardableResult
    func addRelaxed(_ amount: UInt64) -> UInt64 {
        unsafe cpmem_fetch_add_relaxed(address, amount)
    }

    /// Adds where nobody else writes: no locked instruction.
    @inline(__always)
    func addAsOnlyWriter(_ amount: UInt64) { storeRelaxed(loadRelaxed() &+ amount) }

    /// Sets bits, sequentially consistent; returns the value before.
    @inline(__always) @discardableResult
    func fetchOr(_ bits: UInt64) -> UInt64 { unsafe cpmem_fetch_or(address, bits) }

    /// Keeps only these bits, sequentially consistent; returns the value before.
    @inline(__always) @discardableResult
    func fetchAnd(_ bits: UInt64) -> UInt64 { unsafe cpmem_fetch_and(address, bits) }

    /// Starts to load the word.
    @inline(__always)
    func prefetch() { unsafe cpmem_prefetch(address) }

    /// Replaces an expected value, sequentially consistent. Returns whether it was there.
    @inline(__always)
    func compareExchange(_ expected: UInt64, _ desired: UInt64) -> Bool {
        unsafe cpmem_compare_exchange(address, expected, desired)
    }

    /// Replaces the value by a smaller one, sequentially consistent.
    @inline(__always)
    func lower(to value: UInt64) { unsafe cpmem_fetch_min(address, value) }
}

/// Sleeping in the kernel until a word changes: for waits that a system call ends, where
/// ``SpinLock`` spins.
extension AtomicWord {
    enum Sleepers: Int32 {
        case one = 1
        case all = 0x7FFF_FFFF
    }

    /// Sleeps while the low half of the word is that of `value`, and may wake by itself. Whoever
    /// changes the word calls ``wake(_:)`` behind that.
    ///
    /// A scheduler of the tests has its threads wait in its own way (``SpinWait/hook``).
    func sleep(while value: UInt64) {
        if let hook = SpinWait.hook { return hook() }
        unsafe cpmem_sleep(address, UInt32(truncatingIfNeeded: value))
    }

    func wake(_ sleepers: Sleepers) { unsafe cpmem_wake(address, sleepers.rawValue) }
}

/// Cache lines of shared words, zero at first, freed with their owner. Many of them take memory
/// only where they are used.
///
/// What different threads write often belongs in different lines. Many lines take no memory before
/// they are used: a pool that may grow has them for all that it may grow to.
@safe
struct SharedLines: ~Copyable, @unchecked Sendable {
    static var wordsPerLine: Int { 8 }
    let count: Int
    private let base: UnsafeMutableRawPointer
    private var byteCount: Int { max(1, count) * 64 }
    /// From so many bytes on whole pages are reserved.
    private static let fewBytes = 64 << 10

    init(_ count: Int) {
        self.count = count
        let bytes = max(1, count) * 64
        guard bytes < Self.fewBytes else {
            guard let memory = unsafe cpmem_reserve(bytes, 0) else {
                preconditionFailure("out of memory: \(bytes) bytes")
            }
            unsafe base = memory
            return
        }
        unsafe base = .allocate(byteCount: bytes, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    }

    deinit {
        if byteCount < Self.fewBytes {
            unsafe base.deallocate()
        } else {
            unsafe cpmem_release(base, byteCount)
        }
    }

    @inline(__always)
    subscript(line: Int, word: Int) -> AtomicWord {
        assert(line >= 0 && line < count && word >= 0 && word < Self.wordsPerLine)
        return unsafe AtomicWord(base + (line &* 64 &+ word &* 8))
    }

    /// The lines as one row of words.
    @inline(__always)
    subscript(word: Int) -> AtomicWord {
        assert(word >= 0 && word < count * Self.wordsPerLine)
        return unsafe AtomicWord(base + word &* 8)
    }
}
