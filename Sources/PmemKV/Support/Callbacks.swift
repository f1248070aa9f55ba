import CPmem

/// The callers' code that runs inside calls of a store: what each such body looks at, and on which
/// thread it runs.
///
/// A body may run for as long as it likes, so it is no reader of an epoch. It has a frame, and
/// whoever calls it pins in the frame the extent of what it is given.
///
/// Invariants:
/// - A pin is set inside the epoch in which its record was found, or before a full fence and
///   another look at whether the record can still be found. So whoever makes an extent unreachable,
///   and then sees the epoch pass, sees every pin of those who may still look at it.
/// - A frame belongs to the thread that entered it, until it leaves. The frames of a thread, of all
///   stores, are a stack; the thread's own word leads to the top.
/// - Blocks of frames are added and stay until the owner goes: there are always enough.
@safe
struct Callbacks: ~Copyable, @unchecked Sendable {
    /// A power of two. A thread begins to look for a free frame at a line that depends on it.
    private static let lines = 64
    private static let framesPerLine = 2
    private static let blockBytes = (1 + lines) * 64
    private let first = Block()

    /// What a body is.
    enum Kind: UInt64 {
        /// It may use the store as it likes, but not close it.
        case reader = 0
        /// What is written depends on its result, so that it may only read.
        case transform = 1
    }

    deinit {
        var block: Block? = first
        while let this = block {
            block = this.next
            this.deallocate()
        }
    }

    // MARK: Running a body

    /// Begins a callback on this thread. O(1) where a frame of this thread's line is free at its
    /// beginning, else O(frames): threads with the same hint share a line.
    @inline(__always)
    func enter(_ kind: Kind) -> CallbackFrame {
        let line = Int(truncatingIfNeeded: cpmem_thread_hint()) & (Self.lines &- 1)
        let frame = first[line, 0]
        if frame.claim(kind, owner: first.word) { return CallbackFrame(frame) }
        return CallbackFrame(claimElsewhere(line, kind))
    }

    @inline(never)
    private func claimElsewhere(_ start: Int, _ kind: Kind) -> FrameWords {
        var block = first
        while true {
            for offset in 0..<Self.lines {
                for half in 0..<Self.framesPerLine {
                    let frame = block[(start + offset) & (Self.lines - 1), half]
                    if frame.claim(kind, owner: first.word) { return frame }
                }
            }
            block = block.next ?? block.append()
        }
    }

    // MARK: On this thread

    /// Whether this thread runs a callback of this store.
    var areOnThisThread: Bool { hasFrame { _ in true } }

    /// Whether this thread runs a callback that may only read.
    @inline(__always)
    var forbidWrites: Bool { cpmem_callback() != 0 && hasFrame { $0 == .transform } }

    @inline(never)
    private func hasFrame(_ isMeant: (Kind) -> Bool) -> Bool {
        var top = FrameWords(number: cpmem_callback())
        while let frame = top {
            if frame.owner == first.word, isMeant(frame.kind) { return true }
            top = frame.outer
        }
        return false
    }

    /// The extents that the bodies on this thread may look at, by their first segments.
    var pinnedOnThisThread: [Int] {
        var extents: [Int] = []
        var top = FrameWords(number: cpmem_callback())
        while let frame = top {
            if frame.owner == first.word, let extent = frame.pinned { extents.append(extent) }
            top = frame.outer
        }
        return extents
    }

    // MARK: On all threads

    /// Whether any body runs.
    var areRunning: Bool {
        var isAny = false
        forEachFrame { _ in isAny = true }
        return isAny
    }

    /// Whether a body may look at the extent. O(frames).
    func arePinning(_ extent: Int) -> Bool { pinnedExtents.contains(extent) }

    /// The extents that bodies may look at, by their first segments. O(frames).
    var pinnedExtents: [Int] {
        var extents: [Int] = []
        forEachFrame { if let extent = $0.pinned { extents.append(extent) } }
        return extents
    }

    private func forEachFrame(_ body: (FrameWords) -> Void) {
        var block: Block? = first
        while let this = block {
            for line in 0..<Self.lines {
                for half in 0..<Self.framesPerLine where this[line, half].isClaimed {
                    body(this[line, half])
                }
            }
            block = this.next
        }
    }

    // MARK: Memory

    /// A line that leads to the next block, then the lines of the frames.
    @safe
    private struct Block {
        private let base: UnsafeMutableRawPointer

        init() {
            unsafe base = .allocate(byteCount: Callbacks.blockBytes, alignment: 64)
            unsafe base.initializeMemory(
                as: UInt8.self, repeating: 0, count: Callbacks.blockBytes)
        }

        private init?(word: UInt64) {
            guard let base = unsafe UnsafeMutableRawPointer(bitPattern: UInt(word)) else {
                return nil
            }
            unsafe self.base = base
        }

        var word: UInt64 { unsafe UInt64(UInt(bitPattern: base)) }
        private var nextWord: AtomicWord { unsafe AtomicWord(base) }
        var next: Block? { Block(word: nextWord.loadSequential()) }

        func deallocate() { unsafe base.deallocate() }

        /// Adds a block behind this one, or finds that another thread has.
        func append() -> Block {
            let block = Block()
            if nextWord.compareExchange(0, block.word) { return block }
            block.deallocate()
            return next ?? append()
        }

        @inline(__always)
        subscript(line: Int, half: Int) -> FrameWords {
            let offset: Int = (1 &+ line) &* 64
            return unsafe FrameWords(base + offset + half &* FrameWords.bytes)
        }
    }
}
