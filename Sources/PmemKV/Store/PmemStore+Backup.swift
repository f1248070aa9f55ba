import SystemPackage

extension PmemStore {
    /// Writes all keys and values, as of one moment, into a new pool of the same geometry.
    ///
    /// Writers wait only while the moment is being fixed (a few nanoseconds a key); what they
    /// write afterwards is not part of the backup. The new pool is complete and durable when this
    /// returns, and does not exist when it throws.
    ///
    /// - Throws: `alreadyExists`, `cannotCreate`, `corrupt` when a record is damaged, and what a
    ///   put throws.
    public func backup(to path: String) throws(StoreError) {
        try backup(to: PoolPath(path))
    }

    /// The same for a path that need not be text.
    public func backup(to path: FilePath) throws(StoreError) {
        try backup(to: PoolPath(path))
    }

    private func backup(to place: PoolPath) throws(StoreError) {
        let geometry = engine.geometry
        _ = try Self.createFilled(
            at: place, size: geometry.poolSize, segmentSize: geometry.segmentSize,
            overwriting: .refused, attributes: engine.log.medium.attributes
        ) { target throws(StoreError) in
            try engine.records.withSnapshot { locations throws(StoreError) in
                for location in locations {
                    let copied: Void? = try engine.log.withRecord(at: location) {
                        record throws(StoreError) in
                        guard record.isSound else { throw engine.log.damage(record) }
                        try target.put(record.key, record.value, relaxed: true)
                    }
                    if copied == nil { throw RecordIndex.strayLocation }
                }
            }
        }
    }
}
