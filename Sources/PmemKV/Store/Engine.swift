/// The operations of a store over its rooms: log, index, space.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I2: the index is changed only after the fence that made the record durable, except for
///   records the caller asked to be relaxed.
/// - I4: sequence numbers are taken under the shard lock of their key, so records of one key enter
///   the index in the order of their numbers.
/// - Locks are taken in this order: the catalog's, a writer's head, compaction, its head, shard
///   (ascending), the segments' or the ordered index's own. Nobody waits for space while holding a
///   shard.
package final class Engine: Sendable {
    let log: Log
    let gate: Gate
    let sequences: Sequences
    let records: RecordIndex
    let tables: Tables
    let snapshots: Snapshots
    let index: HashIndex
    /// The keys in order, where that was asked for.
    let ordered: OrderedTrees?
    let liveness: Liveness
    let space: Space
    let options: EngineOptions
    /// Bytes of the longest key that is written: its tombstone has to find room in a full pool,
    /// where the rest of a segment is all that may be left. Pools of older programs may hold longer
    /// ones.
    let maximumKeyLength: Int
    let spareContent = Transaction.Spare()
    private let words = SharedLines(1)
    /// Held while the catalog changes.
    var catalogLock: SpinLock { SpinLock(words[0]) }
    /// Records that opening replayed.
    let replayed: Int
    /// See ``PoolStructure/unprovenTails``.
    let unprovenTails: Int

    init(_ recovered: Recovery) {
        log = recovered.log
        gate = recovered.log.gate
        sequences = recovered.log.sequences
        records = recovered.records
        tables = recovered.records.tables
        snapshots = recovered.records.snapshots
        index = recovered.records.index
        liveness = recovered.liveness
        space = recovered.space
        options = recovered.options
        maximumKeyLength = min(
            RecordLayout.maximumKeyLength, recovered.log.geometry.segmentSize / 4)
        replayed = recovered.report.replayedRecords
        unprovenTails = recovered.unprovenTails
        ordered = recovered.ordered
    }

    var geometry: Geometry { log.geometry }

    /// Refuses a key that no record can hold.
    func check(_ key: ByteView) throws(StoreError) {
        if key.isEmpty || key.count > RecordLayout.maximumKeyLength {
            throw Self.refusal(of: key, maximum: RecordLayout.maximumKeyLength, .empty)
        }
    }

    /// Refuses what is not to be written.
    func check(_ key: ByteView, _ value: ByteView) throws(StoreError) {
        if key.isEmpty || key.count > maximumKeyLength
            || value.count > RecordLayout.maximumValueLength
        {
            throw Self.refusal(of: key, maximum: maximumKeyLength, value)
        }
    }

    @inline(never)
    private static func refusal(
        of key: ByteView, maximum: Int, _ value: ByteView
    ) -> StoreError {
        let problem =
            if key.isEmpty {
                "a key has at least one byte"
            } else if key.count > maximum {
                "the key has \(key.count) bytes; at most \(maximum) are possible"
                    + (maximum < RecordLayout.maximumKeyLength
                        ? " in this pool, a quarter of its segment size" : "")
            } else {
                "the value has \(value.count) bytes; at most \(RecordLayout.maximumValueLength) "
                    + "are possible"
            }
        return StoreError(.invalidArgument, problem)
    }
}
