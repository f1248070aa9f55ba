// Scripts that once failed, each with its story. They run with every crash state of every drain.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Kept crash scripts")
struct KeptScripts {
    private func run(
        _ text: String, segments: Int = 6, keys: Int = 6, heads: Int = 1, step: UInt64 = 4,
        checkpoint: Int = 1000, model: PersistenceModel = .direct, longEvery: UInt64 = 8
    ) -> String? {
        var shape = PoolShape()
        shape.segments = segments
        shape.keys = keys
        shape.heads = heads
        shape.sequenceStep = step
        shape.checkpointThreshold = checkpoint
        shape.model = model
        var effort = Effort()
        effort.statesPerDrain = 300
        effort.longEvery = longEvery
        effort.nestedEvery = 8
        let explorer = Explorer(
            shape: shape, effort: effort, known: StateSet(bits: 20), seed: 1)
        let runner = ScriptRunner(explorer: explorer, seed: 1)
        return runner.run(Script(shape, parsing: text))?.description
    }

    /// Compaction freed the segment of a durable value because a relaxed write had superseded
    /// it. The crash took the relaxed write, and neither version was left.
    @Test("Space is not reused on the word of a relaxed write", arguments: [true, false])
    func relaxedSupersedes(paged: Bool) {
        #expect(
            run(
                """
                put 2 0 !2:0
                rput 2 0
                compact
                """, model: paged ? .paged : .direct) == nil)
    }

    /// A put whose superblock update failed left its log head locked, and close waited for ever.
    @Test("A crash while the sequence limit is raised leaves no head locked")
    func failedLimit() {
        #expect(
            run(
                """
                put 0 1 !0:0
                put 1 1 !1:1
                batch 0=1 1=1 !0:5
                put 0 2
                """, step: 1) == nil)
    }

    /// Old words of a torn superblock copy were completed by the next update of that copy, up to
    /// a valid superblock that named a checkpoint which recovery had freed meanwhile.
    @Test("A torn superblock that is completed later names no freed checkpoint")
    func completedSuperblock() {
        #expect(
            run(
                """
                put 0 0
                put 0 1
                put 0 0
                del 2
                get 2
                put 2 9
                reopen
                """, segments: 7, keys: 3, step: 1, checkpoint: 1) == nil)
    }

    /// A durable batch removed a key that a relaxed removal had already made absent, and wrote
    /// nothing; the crash undid the relaxed removal, and the key was back.
    @Test("A durable removal of a key that is absent only relaxedly is durable")
    func removedTwice() {
        #expect(
            run(
                """
                put 3 0
                rdel 3
                batch 3=-
                """, step: 64, checkpoint: 1, model: .paged) == nil)
        #expect(run("put 3 0\nrdel 3\ndel 3") == nil)
    }

    /// A process was killed before its fence; the next one found the record and answered from
    /// it, but never wrote it back, and a power cut took it.
    @Test("What a killed process left in the cache is durable once it was found")
    func killed() {
        #expect(
            run(
                """
                put 0 100
                rput 1 9
                kill
                put 2 64
                kill
                get 1
                """) == nil)
        #expect(run("rbatch 0=9 1=64\nkill\nreopen\nkill", model: .paged) == nil)
    }

    /// A crash inside compaction sealed the copies made so far; with the originals they took the
    /// whole pool, no segment was left to compact with, and not even a remove worked.
    @Test("A crash inside compaction does not use up the reserve")
    func compactionReserve() {
        #expect(
            run(
                """
                put 3 0
                put 0 188
                get 0
                batch 0=- 4=135
                rbatch 1=64 2=1 4=20
                rput 1 13
                put 0 160
                put 3 162
                compact !0:0
                compact
                """, segments: 4, keys: 5, step: 1, checkpoint: 4) == nil)
    }

    /// The same with a copied tombstone: it still hid an older put, so its extent was sealed and
    /// not given back, although the original stood in the extent that was being compacted.
    @Test("A crash inside compaction does not use up the reserve for copied tombstones")
    func compactionReserveOfTombstones() {
        #expect(
            run(
                """
                put 1 0
                put 3 0
                put 4 0 !0:0
                batch 1=0 2=86
                batch 0=257 2=158 3=40 4=1405
                reopen
                del 3
                put 2 1158
                del 0 !0:0
                del 1
                put 3 130
                """, segments: 8, keys: 5, heads: 2, checkpoint: 4, longEvery: 1) == nil)
    }

    /// The best victim held one record longer than a segment, which compaction cannot move; it
    /// gave up instead of trying the next one. Before that, tombstones alone were garbage to it,
    /// and allocation went round for ever.
    @Test("A victim that cannot be moved does not end the search")
    func largeVictim() {
        #expect(
            run(
                """
                put 4 0
                del 0
                put 0 0
                del 4
                batch 0=131 3=0 4=65 5=23
                put 2 114
                batch 0=- 1=- 2=- 3=63 4=-
                batch 1=38 2=172 3=1450 4=7
                put 5 72
                """, segments: 7, heads: 2) == nil)
    }

    /// Every crash seals what was open. Extents that are not full and hold no garbage were never
    /// joined, so a dozen restarts filled a pool with a dozen records.
    @Test("Restarts do not cost space")
    func restarts() {
        let script = (0..<20).map { "put \($0 % 4) 9 !1:1" }.joined(separator: "\n")
        #expect(run(script + "\nput 5 9\nput 4 9", segments: 7) == nil)
    }
}
