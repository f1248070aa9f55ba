import Testing

@testable import PmemKV

/// Recovery of more keys than one part of the index holds.
@Suite("Replay")
struct ReplayTests {
    /// A store with so many keys that several threads fill the index: keys that were overwritten,
    /// removed, put again, in segments small and many. An open without a checkpoint finds what was
    /// written, one whose checkpoint knows a few of the keys as well, and either counts what is
    /// dead as the store did that wrote it.
    @Test(arguments: [0, 20_000])
    func manyKeysComeBackAsTheyWere(coveredKeys: Int) throws {
        let pool = TemporaryPool()
        let keys = 200_000
        var store = try pool.create(64 << 20, segmentSize: 256 << 10) {
            $0.engine.checkpointThreshold = 100
        }
        func put(_ range: Range<Int>, _ value: UInt64) throws {
            for number in range {
                try withBytes(number) { key in
                    try withUnsafeBytes(of: value) {
                        try store.put($0, forKey: key, durability: .relaxed)
                    }
                }
            }
        }
        if coveredKeys > 0 {
            try put(0..<coveredKeys, 1)
            try store.close()
            store = try pool.open()
            #expect(store.recoveryReport.usedCheckpoint)
        }
        try put(coveredKeys..<keys, 1)
        try put(keys / 20..<keys / 5, 2)
        for number in 0..<keys / 10 {
            _ = try withBytes(number) { try store.remove($0, durability: .relaxed) }
        }
        try put(0..<keys / 40, 3)
        try store.sync()
        let before = store.statistics
        store.abandon()

        let recovered = try pool.open { $0.engine.recoveryThreads = 4 }
        defer { recovered.abandon() }
        #expect(recovered.recoveryReport.usedCheckpoint == (coveredKeys > 0))
        #expect(recovered.engine.index.partBits > 0)
        #expect(recovered.count == keys - keys / 10 + keys / 40)
        #expect(recovered.statistics.liveBytes == before.liveBytes)
        #expect(recovered.statistics.tombstoneBytes == before.tombstoneBytes)
        for number in 0..<keys {
            let wanted: UInt64? =
                switch number {
                case ..<(keys / 40): 3
                case ..<(keys / 10): nil
                case ..<(keys / 5): 2
                default: 1
                }
            let found = try withBytes(number) { key in
                try recovered.withValue(forKey: key) { $0.unsafeLoad(as: UInt64.self) }
            }
            guard found == wanted else {
                Issue.record("key \(number) has \(String(describing: found))")
                return
            }
        }
        #expect(try recovered.structure().miscountedExtents == 0)
    }

    private func withBytes<R>(
        _ number: Int, _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeBytes(of: UInt64(number)) { try body($0) }
    }
}
