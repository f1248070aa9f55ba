extension Recovery {
    /// An ordered index of all keys, before anybody else uses the store. Reads all of them.
    func makeOrderedIndex() throws(StoreError) -> OrderedIndex {
        let ordered = OrderedIndex()
        let records = records
        let shards = try inParallel(
            records.index.shards.count, threads: options.recoveryThreads
        ) { number throws(StoreError) -> (keys: [OrderedKey], unknown: StoreError?) in
            var keys: [OrderedKey] = []
            var unknown: StoreError?
            try records.forEachRecord(inShards: ShardNumber(number)..<ShardNumber(number + 1)) {
                record in
                keys.append(ordered.makeKey(record.key))
            } damage: { record in
                unknown = records.log.damage(record)
            }
            return (keys, unknown)
        }
        ordered.unknownKey = shards.lazy.compactMap(\.unknown).first
        try ordered.load(shards.flatMap(\.keys), threads: options.recoveryThreads)
        return ordered
    }
}
