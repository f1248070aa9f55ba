// Two threads on one store under the scheduler. A debug build has no scheduling points, so that the
// threads change only at calls of the medium and where one waits; scripts/crash runs the whole.

import PmemKV
import PmemKVTesting
import Testing

@Suite("Interleavings")
struct InterleavingTests {
    @Test("Readers miss no key while the index grows and shrinks")
    func readers() {
        let race = ReaderRace()
        for seed in 1...60 as ClosedRange<UInt64> { #expect(race.run(seed: seed) == nil) }
    }

    @Test("Scans show nothing old while records are moved and their extents used again")
    func scans() {
        let race = ScanRace()
        for seed in 1...100 as ClosedRange<UInt64> { #expect(race.run(seed: seed) == nil) }
    }

    @Test("A snapshot gives the same in every way, whatever is written and moved meanwhile")
    func snapshots() {
        let race = SnapshotRace()
        for seed in 1...100 as ClosedRange<UInt64> { #expect(race.run(seed: seed) == nil) }
    }

    @Test("Transactions, writes and reads of several threads are strictly serialisable")
    func transactions() {
        let race = TransactionRace()
        for seed in 1...200 as ClosedRange<UInt64> { #expect(race.run(seed: seed) == nil) }
        #expect(race.committed > 100 && race.conflicts > 0)
    }

    @Test("A close in the middle of an operation loses nothing that was acknowledged")
    func close() {
        let race = CloseRace()
        for seed in 1...170 as ClosedRange<UInt64> { #expect(race.run(seed: seed) == nil) }
    }
}
