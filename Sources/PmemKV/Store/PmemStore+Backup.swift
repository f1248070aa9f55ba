import Glibc

extension PmemStore {
    /// Writes all keys and values, as of one moment, into a new pool of the same geometry.
    ///
    /// Writers wait only while the moment is being fixed (a few nanoseconds a key); what they
    /// write afterwards is not part of the backup. The new pool is complete and durable when this
    /// returns, and does not exist when it throws.
    ///
    /// - Parameters:
    ///   - path: the new pool's file; it must not exist.
    ///   - requirement: what the new pool's medium must give.
    /// - Throws: `alreadyExists`, `cannotCreate`, `refused`, `corrupt` when a record is damaged,
    ///   and what a put throws.
    public func backup(
        to path: String, requirement: MediumRequirement? = nil
    ) throws(StoreError) {
        let geometry = engine.geometry
        try Self.createFilled(
            at: path, size: geometry.poolSize, segmentSize: geometry.segmentSize,
            requirement: requirement
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

    /// Makes a pool and fills it: complete and durable on return, not there when it throws. Returns
    /// the number of its keys.
    @discardableResult
    static func createFilled(
        at path: String, size: Int, segmentSize: Int, requirement: MediumRequirement?,
        _ fill: (Engine) throws(StoreError) -> Void
    ) throws(StoreError) -> Int {
        var options = CreateOptions(size: size, segmentSize: segmentSize)
        options.open.requirement = requirement
        let target = try create(at: path, options: options)
        do throws(StoreError) {
            try fill(target.engine)
            let keys = target.count
            try target.close()
            return keys
        } catch {
            try? target.close()
            unsafe unlink(path)
            throw error
        }
    }
}
