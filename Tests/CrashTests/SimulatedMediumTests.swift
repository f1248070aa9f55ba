// The simulator models what docs/crash-model.md says: these tests hold it to that, since a
// simulator that is too kind proves nothing.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Simulated medium")
struct SimulatedMediumTests {
    private func states(_ medium: SimulatedMedium, words: Range<Int>) -> Set<[UInt64]> {
        var found: Set<[UInt64]> = []
        var random = SplitMix(seed: 1)
        var states = CrashStates(
            image: medium.durable, hash: medium.durableHash, pending: medium.pending,
            granule: medium.model.granule)
        _ = states.visit(limit: 1 << 16, random: &random) { hash in
            #expect(hash == medium.durable.contentHash)
            found.insert(words.map { medium.durable.words[$0] })
            return true
        }
        #expect(medium.durable.contentHash == medium.durableHash, "the image is as it was")
        return found
    }

    private func copy(_ words: [UInt64], to offset: Int, _ medium: SimulatedMedium) {
        words.withUnsafeBytes { medium.copy($0, to: offset, site: .record) }
    }

    @Test("Ordinary stores of one line survive as a prefix")
    func prefix() {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        copy([1, 2, 3], to: 64, medium)
        #expect(states(medium, words: 8..<11) == [[0, 0, 0], [1, 0, 0], [1, 2, 0], [1, 2, 3]])
    }

    @Test("Lines survive independently of each other")
    func lines() {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        medium.store(1, to: 0, site: .seal)
        medium.store(2, to: 64, site: .seal)
        #expect(states(medium, words: 0..<9).count == 4)
    }

    @Test("Of a copy of 256 bytes any subset of words survives")
    func bulk() {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        copy([UInt64](repeating: 0, count: 28) + [1, 2, 3, 4], to: 0, medium)
        #expect(states(medium, words: 28..<32).count == 16)
    }

    @Test("A drain makes durable what its own thread flushed, and nothing else")
    func drain() throws {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        medium.store(1, to: 0, site: .seal)
        medium.thread = 1
        medium.store(2, to: 64, site: .seal)
        try medium.drain(site: .sealDrainOfTests)
        #expect(medium.durable.words[0] == 0)
        #expect(medium.durable.words[8] == 2)
        #expect(medium.pending.count == 1)
    }

    @Test("What was stored without a flush stays pending over a drain")
    func deferred() throws {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        [UInt64(7)].withUnsafeBytes { medium.copyDeferred($0, to: 0, site: .relaxedRecord) }
        try medium.drain(site: .sealDrainOfTests)
        #expect(states(medium, words: 0..<1) == [[0], [7]])
        medium.flush(at: 0, count: 8, site: .relaxedFlush)
        try medium.drain(site: .sealDrainOfTests)
        #expect(states(medium, words: 0..<1) == [[7]])
        #expect(medium.uselessFlushes == 0)
        medium.flush(at: 0, count: 8, site: .relaxedFlush)
        #expect(medium.uselessFlushes == 1)
    }

    @Test("A line is clean when nothing was stored to it, not when its bytes are the same")
    func clean() throws {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        let words = [UInt64](repeating: 0, count: 9)
        words.withUnsafeBytes { medium.copyDeferred($0, to: 0, site: .relaxedRecord) }
        #expect(medium.pending.isEmpty)
        medium.flush(at: 0, count: 72, site: .relaxedFlush)
        #expect(medium.uselessFlushes == 0)
        medium.flush(at: 0, count: 129, site: .relaxedFlush)
        #expect(medium.uselessFlushes == 3)
        // A copy flushes what it touches, also what was stored there before.
        words.withUnsafeBytes { medium.copyDeferred($0, to: 0, site: .relaxedRecord) }
        medium.store(1, to: 0, site: .seal)
        medium.flush(at: 0, count: 72, site: .relaxedFlush)
        #expect(medium.uselessFlushes == 4)
    }

    @Test("A flush writes back the unaligned edges of its range")
    func edges() throws {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        let bytes = [UInt8](repeating: 9, count: 10)
        bytes.withUnsafeBytes { medium.copyDeferred($0, to: 60, site: .relaxedRecord) }
        medium.flush(at: 60, count: 10, site: .relaxedFlush)
        try medium.drain(site: .sealDrainOfTests)
        #expect(medium.pending.isEmpty)
    }

    @Test("A word stored twice keeps the order of its stores")
    func twice() {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        medium.store(1, to: 0, site: .seal)
        medium.store(2, to: 0, site: .seal)
        #expect(states(medium, words: 0..<1) == [[0], [1], [2]])
    }

    @Test("In a page cache sectors are torn, and a drain covers every thread")
    func paged() throws {
        let medium = SimulatedMedium(size: 4096, model: .paged)
        medium.store(1, to: 0, site: .seal)
        medium.store(2, to: 64, site: .seal)
        medium.store(3, to: 512, site: .seal)
        #expect(states(medium, words: 0..<65).count == 6)
        medium.thread = 1
        try medium.drain(site: .sealDrainOfTests)
        #expect(medium.pending.isEmpty)
    }

    @Test("A mutant's flush is missing, its store is not")
    func mutant() throws {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        medium.mutant = Mutant(.seal, .storeWithoutFlush)
        medium.store(5, to: 0, site: .seal)
        try medium.drain(site: .sealDrainOfTests)
        #expect(medium.visible.words[0] == 5)
        #expect(medium.durable.words[0] == 0)
    }

    @Test("Above the bound all, none, each alone and each missing are among the samples")
    func samples() {
        let medium = SimulatedMedium(size: 4096, model: .direct)
        copy((1...64).map { UInt64($0) }, to: 0, medium)
        var counts: [Int: Int] = [:]
        var random = SplitMix(seed: 1)
        var states = CrashStates(
            image: medium.durable, hash: medium.durableHash, pending: medium.pending, granule: 64)
        #expect(states.count(cap: 1 << 20) == 1 << 20)
        _ = states.visit(limit: 1024, random: &random) { _ in
            counts[(0..<64).count { medium.durable.words[$0] != 0 }, default: 0] += 1
            return true
        }
        #expect(counts[0]! >= 1 && counts[64]! >= 1)
        #expect(counts[1]! >= 64 && counts[63]! >= 64)
    }
}

extension PersistSite {
    /// Any site whose drain no mutant of these tests ignores.
    fileprivate static var sealDrainOfTests: PersistSite { .recordDrain }
}
