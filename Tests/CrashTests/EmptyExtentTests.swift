// An extent that was taken and then not written to.

import Foundation
import PmemKV
import PmemKVTesting
import Testing

@Suite("Empty extents")
struct EmptyExtentTests {
    /// Looks at the store whenever an extent is about to become free.
    private final class Onlooker: MediumObserver {
        var store: PmemStore?
        var seen: [PoolStructure] = []

        func willDrain(_ medium: SimulatedMedium, site: PersistSite) throws(StoreError) {
            guard site == .freeDrain, let store else { return }
            seen.append(try store.structure())
        }
    }

    /// An extent without records was marked as sealed before it was freed. Compaction in another
    /// thread could choose it in between, and it was freed twice: a segment that had been given to
    /// a new owner by then counted as free and was given away once more.
    @Test("An extent that was never written to is not sealed on its way to be free")
    func neverSealed() throws {
        let shape = PoolShape()
        let medium = SimulatedMedium(size: shape.poolSize, model: .direct)
        let onlooker = Onlooker()
        medium.observer = onlooker
        let store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
        defer { store.abandon() }
        onlooker.store = store
        let before = try store.structure()
        // The value takes an extent of its own; by then another write has come in between, so
        // that this one is not made, and the next try finds what it wants.
        var tries = 0
        try store.update("k") { current in
            tries += 1
            guard tries == 1 else { return .keep }
            let isWritten = DispatchSemaphore(value: 0)
            Thread {
                try? store.put([1], forKey: "k")
                isWritten.signal()
            }.start()
            isWritten.wait()
            return .set([UInt8](repeating: 2, count: 2 * shape.segmentSize))
        }
        onlooker.store = nil
        #expect(tries == 2)
        #expect(onlooker.seen.count == 1)
        #expect(onlooker.seen.allSatisfy { $0.sealed == 0 })
        let after = try store.structure()
        #expect(after.freeCount == before.freeCount - 1 && after.free == after.freeCount)
        #expect(after.lost == 0)
    }
}
