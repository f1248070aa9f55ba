import PmemKV

/// The geometry and tunables of a simulated pool: small, so that everything happens often.
package struct PoolShape: Equatable, Sendable {
    package var segmentSize = 1024
    package var segments = 6
    /// Segments that the pool may grow to.
    package var mostSegments: Int?
    package var heads = 1
    package var sequenceStep: UInt64 = 4
    package var checkpointThreshold = 3
    package var keys = 2
    /// Whether keys belong to tables: see ``table(of:)``.
    package var usesTables = false
    package var model = PersistenceModel.direct

    package init() {}

    package var poolSize: Int { size(segments: segments) }
    /// Bytes of the medium when the pool has grown as far as it may.
    package var capacity: Int { size(segments: max(segments, mostSegments ?? 0)) }

    /// Bytes of a pool of so many segments, of no more than 64: the table takes one page.
    package func size(segments: Int) -> Int { 8192 + 4096 + segmentSize * segments }

    package var options: OpenOptions {
        var options = OpenOptions()
        options.engine.heads = heads
        options.engine.sequenceStep = sequenceStep
        options.engine.checkpointThreshold = checkpointThreshold
        options.engine.recoveryThreads = 1
        // The scripts say when a step of compaction is made, and the scheduler between which two
        // others; writers make theirs besides. A step is a record or two.
        options.engine.compactsInBackground = false
        options.engine.compactionStep = 4
        options.engine.readerPatience = 2
        options.engine.formatIdentity = 0x5EED_0F_A_900D_1D
        return options
    }

    /// The key of a number: different lengths, so that records end at all places of a line.
    package static func key(_ number: Int) -> [UInt8] {
        let length = [1, 7, 2, 16, 9, 33, 64, 3][number % 8]
        return (0..<length).map { UInt8(truncatingIfNeeded: 0x61 + number * 31 + $0) }
    }

    private static let tables = [nil, "t", "another table"]

    /// The table of a key; nil for the unnamed one.
    package func table(of key: Int) -> String? {
        usesTables ? Self.tables[key % Self.tables.count] : nil
    }

    /// The keys that belong to the same table as one.
    package func keys(besides key: Int) -> [Int] {
        (0..<keys).filter { table(of: $0) == table(of: key) }
    }

    /// The value of a step: no byte of it is zero, neighbours differ.
    package static func value(step: Int, key: Int, length: Int) -> [UInt8] {
        let seed = PoolImage.mix(UInt64(step) << 32 | UInt64(key) << 24 ^ UInt64(length))
        return (0..<length).map {
            let word = PoolImage.mix(seed &+ UInt64($0 / 8))
            return UInt8(truncatingIfNeeded: word >> UInt64($0 % 8 * 8)) | 1
        }
    }
}
