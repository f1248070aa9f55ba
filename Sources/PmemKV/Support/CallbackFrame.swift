import CPmem

/// A callback that runs on the thread that entered it; it ends when the value goes out of scope.
struct CallbackFrame: ~Copyable {
    private let words: FrameWords

    @inline(__always)
    init(_ words: FrameWords) { self.words = words }

    @inline(__always)
    deinit { words.giveBack() }

    /// Keeps an extent from being reused until another one is pinned or the frame ends. The
    /// caller is inside the epoch in which it found a record there; or it looks behind a full
    /// fence whether the record is still the newest of its key, and uses it only then.
    ///
    /// A release store is enough: leaving the epoch, which is sequentially consistent, or the
    /// fence comes after it.
    @inline(__always)
    func pin(_ extent: Int) { words.pin(extent) }
}

/// The words of a frame: what it pins, the frame that the thread ran it in, the store, its kind.
///
/// A handle: ``Callbacks`` keeps the memory, for longer than the frame is on a thread's stack.
@safe
struct FrameWords {
    static let bytes = 32
    /// The first word of a frame: zero for a free one, one for one that pins nothing, else the
    /// extent above these.
    private static let claimed: UInt64 = 1
    private static let firstExtent: UInt64 = 2

    private let address: UnsafeMutableRawPointer

    @unsafe @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    @inline(__always)
    init?(number: UInt64) {
        guard let address = unsafe UnsafeMutableRawPointer(bitPattern: UInt(number)) else {
            return nil
        }
        unsafe self.address = address
    }

    private var number: UInt64 { unsafe UInt64(UInt(bitPattern: address)) }
    private var state: AtomicWord { unsafe AtomicWord(address) }

    @inline(__always)
    private func word(_ number: Int) -> AtomicWord { unsafe state.next(number) }

    var outer: FrameWords? { FrameWords(number: word(1).loadRelaxed()) }
    var owner: UInt64 { word(2).loadRelaxed() }
    var kind: Callbacks.Kind { Callbacks.Kind(rawValue: word(3).loadRelaxed()) ?? .reader }

    var isClaimed: Bool { state.loadSequential() != 0 }

    var pinned: Int? {
        let word = state.loadSequential()
        return word < Self.firstExtent ? nil : Int(truncatingIfNeeded: word - Self.firstExtent)
    }

    /// Takes a free frame and makes it the innermost one of this thread.
    @inline(__always)
    func claim(_ kind: Callbacks.Kind, owner: UInt64) -> Bool {
        guard state.loadRelaxed() == 0, state.compareExchange(0, Self.claimed) else { return false }
        word(1).storeRelaxed(cpmem_callback())
        word(2).storeRelaxed(owner)
        word(3).storeRelaxed(kind.rawValue)
        cpmem_set_callback(number)
        return true
    }

    @inline(__always)
    func pin(_ extent: Int) {
        state.storeRelease(Self.firstExtent &+ UInt64(truncatingIfNeeded: extent))
    }

    @inline(__always)
    func giveBack() {
        cpmem_set_callback(word(1).loadRelaxed())
        state.storeRelease(0)
    }
}
