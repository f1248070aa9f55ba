/// The operations of a store over its rooms: log, index, space.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I2: the index is changed only after the fence that made the record durable, except for
///   records the caller asked to be relaxed.
/// - I4: sequence numbers are taken under the shard lock of their key, so records of one key enter
///   the index in the order of their numbers.
/// - Locks are taken in this order: a writer's head, compaction, its head, shard (ascending), the
///   segments' or the ordered index's own. Nobody waits for space while holding a shard.
package final class Engine: Sendable {
    let log: Log
    let gate: Gate
    let records: RecordIndex
    let index: HashIndex
    /// The keys in order, where that was asked for.
    let ordered: OrderedIndex?
    let liveness: Liveness
    let space: Space
    let options: EngineOptions
    /// Records that opening replayed.
    let replayed: Int
    /// See ``PoolStructure/unprovenTails``.
    let unprovenTails: Int

    init(_ recovered: Recovery) {
        log = recovered.log
        gate = recovered.log.gate
        records = recovered.records
        index = recovered.records.index
        liveness = recovered.liveness
        space = recovered.space
        options = recovered.options
        replayed = recovered.report.replayedRecords
        unprovenTails = recovered.unprovenTails
        ordered = recovered.ordered
    }

    var geometry: Geometry { log.geometry }

    /// Refuses what no record can hold.
    func check(_ key: ByteView, _ value: ByteView = .empty) throws(StoreError) {
        if key.isEmpty || key.count > RecordLayout.maximumKeyLength
            || value.count > RecordLayout.maximumValueLength
        {
            throw Self.refusal(of: key, value)
        }
    }

    @inline(never)
    private static func refusal(of key: ByteView, _ value: ByteView) -> StoreError {
        let problem =
            if key.isEmpty {
                "a key has at least one byte"
            } else if key.count > RecordLayout.maximumKeyLength {
                "the key has \(key.count) bytes; at most \(RecordLayout.maximumKeyLength) are "
                    + "possible"
            } else {
                "the value has \(value.count) bytes; at most \(RecordLayout.maximumValueLength) "
                    + "are possible"
            }
        return StoreError(.invalidArgument, problem)
    }
}
