import Glibc
import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Compaction ahead of need")
struct CompactionTests {
    private static let value = [UInt8](repeating: 7, count: 200)

    private static func key(_ number: Int) -> String { "key \(number) of many" }

    /// A pool of 64 segments with so many keys that a share of it is alive.
    private func makeStore(
        _ pool: TemporaryPool, share: Double, inBackground: Bool,
        _ change: (inout OpenOptions) -> Void = { _ in }
    ) throws -> (store: PmemStore, keys: Int) {
        let store = try pool.create(4 << 20, segmentSize: 64 << 10) {
            $0.compactsInBackground = inBackground
            change(&$0)
        }
        // A record takes 256 bytes, and 24 in the summary.
        let keys = Int(Double((store.statistics.segments - 2) * 65_536) * share / 280)
        for number in 0..<keys { try store.put(Self.value, forKey: Self.key(number)) }
        return (store, keys)
    }

    private func overwrite(
        _ store: PmemStore, _ count: Int, _ pick: (inout SplitMix) -> Int
    ) throws -> (amplification: Double, freeMost: Int) {
        var random = SplitMix(seed: 1)
        let before = store.statistics
        var most = 0
        for number in 0..<count {
            try store.put(Self.value, forKey: Self.key(pick(&random)))
            if number % 16 == 0 { most = max(most, store.engine.log.segments.freeCount) }
        }
        let copied = store.statistics.compactedBytes - before.compactedBytes
        return (1 + Double(copied) / Double(count * 256), most)
    }

    /// A store that was closed between two steps left the copies in a segment that the next process
    /// went on with, and the originals beside them: of a full pool, the segment kept for removals.
    @Test func closingFinishesWhatIsBeingEmptied() throws {
        let pool = TemporaryPool()
        var (store, keys) = try makeStore(pool, share: 0.7, inBackground: false) {
            $0.engine.compactionStep = 8
            $0.engine.checkpointThreshold = .max
        }
        _ = try overwrite(store, keys) { $0.below(keys) }
        var steps = 0
        while (store.engine.space.underWay?.next ?? 0) == 0, steps < 1000 {
            try store.engine.space.makeStepAhead()
            steps += 1
        }
        let victim = try #require(store.engine.space.underWay?.extent)
        try store.close()
        store = try pool.open()
        #expect(store.engine.log.segments.phase(victim) == .free)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// Compaction ran at the last free segment only, whole extents at a time, and read the
    /// summaries of all extents before: every few thousand overwrites one took a hundred
    /// milliseconds. Writers alone now keep segments free, and copy little more than they must: by
    /// theory 0.88 records for each that is put at 70 %.
    @Test func writersKeepAhead() throws {
        let (store, keys) = try makeStore(TemporaryPool(), share: 0.7, inBackground: false)
        _ = try overwrite(store, 3 * keys) { $0.below(keys) }
        let (amplification, free) = try overwrite(store, 3 * keys) { $0.below(keys) }
        #expect(free > store.engine.space.reserve(for: .records))
        #expect(amplification < 2.3)
        let numbers = store.statistics
        #expect(numbers.stalls > 0)
        #expect(numbers.stallNanoseconds >= numbers.longestStallNanoseconds)
        #expect(numbers.longestStallNanoseconds > 0)
        for number in 0..<keys { #expect(try store.get(Self.key(number)) == Self.value) }
        let structure = try store.structure()
        #expect(structure.miscountedExtents == 0 && structure.free == structure.freeCount)
    }

    /// The emptiest extent was emptied first, though what was left in it was about to be
    /// overwritten, too: with a tenth of the keys overwritten nine times as often as the rest as
    /// much was copied as with all alike.
    @Test func hotExtentsAreLeftToDie() throws {
        func amplification(_ pick: (inout SplitMix, Int) -> Int) throws -> Double {
            let (store, keys) = try makeStore(TemporaryPool(), share: 0.85, inBackground: false)
            _ = try overwrite(store, 6 * keys) { pick(&$0, keys) }
            return try overwrite(store, 4 * keys) { pick(&$0, keys) }.amplification
        }
        let even = try amplification { $0.below($1) }
        let skewed = try amplification { random, keys in
            random.below(10) == 0 ? random.below(keys) : random.below(keys / 10)
        }
        #expect(skewed < even * 0.85)
    }

    /// The thread makes room while nobody writes.
    @Test func theThreadMakesRoom() throws {
        let pool = TemporaryPool()
        let (store, keys) = try makeStore(pool, share: 0.5, inBackground: true)
        _ = try overwrite(store, 4 * keys) { $0.below(keys) }
        let space = store.engine.space
        for _ in 0..<10_000 where store.engine.log.segments.freeCount < space.highMark {
            usleep(1000)
        }
        #expect(store.engine.log.segments.freeCount >= space.highMark)
        try store.close()
        let reader = try pool.open { $0.readOnly = true }
        #expect(reader.engine.space.compactor == nil)
        #expect(reader.count == keys)
    }

    /// The mapping goes when the store is closed: the thread's step ends before, and no other one
    /// begins. What it had moved is there the next time.
    @Test(arguments: [true, false]) func closingEndsTheThread(cleanly: Bool) throws {
        let pool = TemporaryPool()
        var (store, keys) = try makeStore(pool, share: 0.8, inBackground: true)
        for round in 0..<12 {
            _ = try overwrite(store, keys / 4 + 300 * round) { $0.below(keys) }
            if cleanly { try store.close() } else { store.abandon() }
            store = try pool.open()
            #expect(store.count == keys)
            let structure = try store.structure()
            #expect(structure.lost == 0 && structure.miscountedExtents == 0)
        }
    }

    /// As soon as few segments were free all writers shared one head for ever, since compaction
    /// never made more free. Later a shift that bound more tightly than a product sent every
    /// thread to the first head, whatever was free.
    @Test func headsStaySeparate() throws {
        let (store, keys) = try makeStore(TemporaryPool(), share: 0.5, inBackground: true) {
            $0.engine.heads = 8
        }
        // Where one drain covers all writers they share a head on purpose.
        guard store.mediumInfo.strategy != .msync else {
            #expect(store.engine.log.headCount == 1)
            return
        }
        _ = try overwrite(store, 2 * keys) { $0.below(keys) }
        let before = store.engine.log.writerHeads.map(\.lastSeenExtent)
        onThreads(8) { thread in
            var random = SplitMix(seed: UInt64(thread))
            for _ in 0..<4000 {
                do {
                    try store.put(Self.value, forKey: Self.key(random.below(keys)))
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
        let after = store.engine.log.writerHeads.map(\.lastSeenExtent)
        #expect(zip(before, after).count { $0 != $1 } > 1)
    }

    /// A step ends in the middle of an extent; whatever comes next finishes it first.
    @Test(arguments: [0, 1, 2]) func halfEmptiedExtentsAreFinished(way: Int) throws {
        let pool = TemporaryPool()
        var (store, keys) = try makeStore(pool, share: 0.5, inBackground: false) {
            $0.engine.compactionStep = 8
        }
        _ = try overwrite(store, keys) { $0.below(keys) }
        while store.engine.space.underWay?.next ?? 0 == 0 { try store.makeCompactionStep() }
        switch way {
        case 0: try store.compact()
        case 1:
            try store.close()
            store = try pool.open()
        default:
            let largest = try store.largestValue()
            try store.put([UInt8](repeating: 1, count: largest), forKey: "large")
            try store.remove("large")
        }
        #expect(store.engine.space.underWay == nil)
        #expect(store.count == keys)
        let structure = try store.structure()
        #expect(structure.miscountedExtents == 0 && structure.lost == 0)
    }

    /// Choosing a victim read all of its summary under the lock, in one go: 40 us for a segment of
    /// 1 MiB, and sixteen times that for one of 16 MiB, in which every writer that owed a copy
    /// waited.
    @Test func summariesAreReadInSteps() throws {
        let store = try TemporaryPool().create(8 << 20, segmentSize: 1 << 20) {
            $0.compactsInBackground = false
        }
        // A record takes 64 bytes, and 24 in the summary: some 12,000 a segment.
        for number in 0..<15_000 { try store.put([], forKey: "\(number)") }
        for number in 0..<9000 { try store.put([], forKey: "\(number)") }
        let space = store.engine.space
        var read = 0
        var steps = 0
        while !(space.underWay?.isRead ?? false) {
            try store.makeCompactionStep()
            let now = try #require(space.underWay).entriesRead
            #expect(now - read <= 48 << 10 / 24)
            read = now
            steps += 1
        }
        #expect(read > 10_000 && steps > 5)
        // Whoever comes next goes on with what was begun.
        try store.compact()
        #expect(space.underWay == nil && store.count == 15_000)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// The thread may hold a lock at the moment of a fork, and in the child nobody gives it back: a
    /// child that let its copy of the store go, as every program does that ends, waited for ever.
    @Test func aForkedChildWaitsForNobody() throws {
        let store = try TemporaryPool().create(1 << 20, segmentSize: 16 << 10)
        try store.put(Self.value, forKey: "key")
        store.engine.space.compactionLock.lock()
        let status = try statusOfForkedChild {
            store.abandon()
            return 0
        }
        store.engine.space.compactionLock.unlock()
        #expect(status == 0)
        #expect(try store.get("key") == Self.value)
    }
}
