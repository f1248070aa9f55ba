import Glibc
import PmemKV

/// One aligned 8-byte store that is visible and not yet known to be durable.
package struct PendingStore {
    /// Offset in the pool in words of 8 bytes.
    package let word: Int
    package let value: UInt64
    /// Non-temporal: ordered with nothing before the next drain.
    package fileprivate(set) var isBulk: Bool
    /// The threads, one bit each, whose next drain makes it durable.
    package var flushedBy: UInt8
}

/// Looks at a simulated medium before every drain, the only moments at which the set of possible
/// crash states is complete: a crash earlier leaves a subset of what is pending then.
package protocol MediumObserver: AnyObject {
    /// Throwing stops the engine there, as a crash would.
    func willDrain(_ medium: SimulatedMedium, site: PersistSite) throws(StoreError)
}

/// A medium with a persistence domain one can look into: what is visible, what is durable, and
/// every store in between.
///
/// Invariants:
/// - `visible` is `durable` with all of `pending` applied in order.
/// - A store that changes nothing visible is not pending: no crash can tell.
/// - One thread at a time is inside (the scheduler sees to that).
package final class SimulatedMedium: PersistentMedium, @unchecked Sendable {
    package let model: PersistenceModel
    package let visible: PoolImage
    package let durable: PoolImage
    package private(set) var pending: [PendingStore] = []
    /// ``PoolImage/contentHash`` of `durable`.
    package private(set) var durableHash: UInt64 = 0
    package var mutant: Mutant?
    package weak var observer: (any MediumObserver)?
    package var scheduler: ThreadScheduler?
    /// The thread that is running.
    package var thread = 0
    /// What the engine asked for, by site, to find the mutants there are.
    package var usage: Set<Mutant> = []
    package var recordsUsage = false
    /// Lines stored to whose flush was left for later and has not come yet, also where the bytes
    /// were the same: the processor's cache knows of stores, not of changes.
    private var unflushedLines: Set<Int> = []
    /// Explicit flushes of lines that nothing had been stored to since the last one.
    package private(set) var uselessFlushes = 0
    package private(set) var drains = 0
    /// Set once a simulated crash has stopped the engine: nothing it does counts any more.
    package var isDead = false
    /// Whether what a store can still see after it has closed is no pool any more, so that a use
    /// of the mapping that comes too late shows. ``settle()`` brings the pool back.
    package var spoilsWhenClosed = false
    private var isClosed = false
    /// Calls that came after the store had given the medium up.
    package private(set) var lateCalls = 0

    /// Bytes of the file: its blocks and its length are durable as soon as it has grown.
    package private(set) var size: Int
    private let firstSize: Int

    /// - Parameter capacity: bytes that it may grow to.
    package init(size: Int, capacity: Int? = nil, model: PersistenceModel) {
        self.model = model
        self.size = size
        firstSize = size
        visible = PoolImage(size: capacity ?? size)
        durable = PoolImage(size: capacity ?? size)
    }

    /// Starts over with these bytes, durable.
    package func reset(to image: PoolImage?, size: Int? = nil) {
        self.size = size ?? firstSize
        if let image { durable.copy(from: image) } else { durable.clear() }
        settle()
    }

    package func reset(to bytes: [UInt8]) {
        size = firstSize
        durable.copy(from: bytes)
        settle()
    }

    /// What is durable is all there is, as after a crash.
    package func settle() {
        visible.copy(from: durable)
        pending.removeAll(keepingCapacity: true)
        durableHash = durable.contentHash
        unflushedLines.removeAll()
        isDead = false
        isClosed = false
    }

    /// Another process takes over: nothing is lost, but its drains cover only what it flushes
    /// itself. What was non-temporal can be flushed now like any other store.
    package func changeProcess() {
        for index in pending.indices {
            pending[index].flushedBy = 0
            pending[index].isBulk = false
        }
    }

    // MARK: PersistentMedium

    package var readBase: UnsafeRawPointer? { visible.view }
    package var drainCoversAllThreads: Bool { model.drainCoversAllThreads }
    package var faultCount: Int { 0 }
    package var writeFailure: StoreError? { isDead ? Self.crash : nil }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: visible.view + offset, count: buffer.count))
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        scheduler?.mayswitch()
        note(site, [.copyWithoutFlush, .copyWithoutLastLine, .copyWithoutFirstLine])
        let before = pending.count
        write(source, to: offset, bulk: source.count >= model.bulkThreshold)
        var range = offset..<(offset + source.count)
        if let mutant, mutant.site == site, pending.count > before {
            let first = pending[before].word * 8
            let last = pending[pending.count - 1].word * 8
            switch mutant.kind {
            case .copyWithoutFlush: return
            case .copyWithoutLastLine: range = range.lowerBound..<max(range.lowerBound, last & ~63)
            case .copyWithoutFirstLine:
                let second = (first & ~63) + 64
                range = second..<max(range.upperBound, second)
            default: break
            }
        }
        markFlushed(range, bulkToo: true)
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        scheduler?.mayswitch()
        write(source, to: offset, bulk: false)
        if !isDead { unflushedLines.formUnion(Self.lines(offset..<(offset + source.count))) }
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {
        scheduler?.mayswitch()
        note(site, [.noFlush, .flushWithoutLastLine])
        // Recovery cannot know what is durable already.
        if site != .recoveryFlush { countUselessFlushes(offset..<(offset + count)) }
        var range = offset..<(offset + count)
        if let mutant, mutant.site == site {
            if mutant.kind == .noFlush { return }
            if mutant.kind == .flushWithoutLastLine {
                range = range.lowerBound..<((range.upperBound - 1) & ~63)
            }
        }
        markFlushed(range, bulkToo: false)
    }

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        precondition(offset % 8 == 0)
        scheduler?.mayswitch()
        note(site, [.storeWithoutFlush])
        append(word: offset / 8, word, bulk: false)
        if let mutant, mutant.site == site, mutant.kind == .storeWithoutFlush { return }
        markFlushed(offset..<(offset + 8), bulkToo: false)
    }

    package func drain(site: PersistSite) throws(StoreError) {
        scheduler?.mayswitch()
        note(site, [.noDrain])
        if isDead { throw Self.crash }
        drains += 1
        do throws(StoreError) {
            try observer?.willDrain(self, site: site)
        } catch {
            isDead = true
            throw error
        }
        if let mutant, mutant.site == site, mutant.kind == .noDrain { return }
        persist()
        scheduler?.mayswitch()
    }

    package func prepare(at offset: Int, count: Int) {}

    package var growthObstacle: String? {
        firstSize < visible.size ? nil : "the simulated medium has the size it has"
    }

    package func grow(to bytes: Int, from used: Int) throws(StoreError) {
        scheduler?.mayswitch()
        if isDead { throw Self.crash }
        precondition(used <= size && bytes <= visible.size)
        size = max(size, bytes)
    }

    package func close() {
        guard spoilsWhenClosed else { return }
        isClosed = true
        memset(visible.words, 0xA5, visible.size)
    }

    /// What the engine gets when the simulation stops it.
    package static let crash = StoreError(.io, "simulated crash")

    // MARK: The model

    private func note(_ site: PersistSite, _ kinds: [Mutant.Kind]) {
        if isClosed { lateCalls += 1 }
        if recordsUsage { for kind in kinds { usage.insert(Mutant(site, kind)) } }
    }

    private func write(_ source: UnsafeRawBufferPointer, to offset: Int, bulk: Bool) {
        precondition(offset >= 0 && offset + source.count <= size)
        if isDead { return }
        var position = 0
        while position < source.count {
            let target = offset + position
            let word = target / 8
            var value = visible.words[word]
            let start = target % 8
            let count = min(8 - start, source.count - position)
            withUnsafeMutableBytes(of: &value) {
                for byte in 0..<count { $0[start + byte] = source[position + byte] }
            }
            append(word: word, value, bulk: bulk)
            position += count
        }
    }

    private func append(word: Int, _ value: UInt64, bulk: Bool) {
        if isDead || visible.words[word] == value { return }
        visible.words[word] = value
        pending.append(PendingStore(word: word, value: value, isBulk: bulk, flushedBy: 0))
    }

    /// Starts the write-back of the granules of a range. A flush of a line does not reach
    /// another thread's non-temporal stores.
    private func markFlushed(_ range: Range<Int>, bulkToo: Bool) {
        guard !range.isEmpty else { return }
        if !unflushedLines.isEmpty { unflushedLines.subtract(Self.lines(range)) }
        let mask: UInt8 = 1 << UInt8(thread)
        let first = range.lowerBound / model.granule
        let last = (range.upperBound - 1) / model.granule
        for index in pending.indices {
            let granule = pending[index].word * 8 / model.granule
            if granule >= first && granule <= last && (bulkToo || !pending[index].isBulk) {
                pending[index].flushedBy |= mask
            }
        }
    }

    private func countUselessFlushes(_ range: Range<Int>) {
        guard !range.isEmpty, !model.drainCoversAllThreads, !isDead else { return }
        uselessFlushes += Self.lines(range).count { !unflushedLines.contains($0) }
    }

    /// The 64-byte lines that a range of bytes touches.
    private static func lines(_ range: Range<Int>) -> Range<Int> {
        range.isEmpty ? 0..<0 : (range.lowerBound / 64)..<((range.upperBound + 63) / 64)
    }

    /// Makes durable what the drain of the running thread covers.
    private func persist() {
        let mask: UInt8 = model.drainCoversAllThreads ? .max : 1 << UInt8(thread)
        var rest = 0
        for index in pending.indices {
            let store = pending[index]
            if store.flushedBy & mask != 0 {
                durableHash ^=
                    PoolImage.wordHash(store.word, durable.words[store.word])
                    ^ PoolImage.wordHash(store.word, store.value)
                durable.words[store.word] = store.value
            } else {
                pending[rest] = store
                rest += 1
            }
        }
        pending.removeSubrange(rest...)
    }
}
