/// What a check of a whole pool found.
public struct CheckReport: Sendable, Equatable {
    /// Everything that is damaged; empty for a sound pool.
    public var damage: [Damage] = []
    /// Committed records whose header, key and value match their checksums, superseded versions
    /// and tombstones included.
    public var soundRecords = 0
    /// Bytes of those records.
    public var soundBytes = 0
    /// Extents in use.
    public var extents = 0
    /// Bytes of the file behind the pool, which nothing uses: no damage.
    public var unusedBytes = 0

    /// Whether nothing is damaged.
    public var isSound: Bool { damage.isEmpty }
}

extension CheckReport {
    /// Reads every byte in use and reports all damage; changes nothing.
    init(checking medium: Medium, path: String) throws(StoreError) {
        var survey = try PoolSurvey(medium, path: path, checksCheckpoint: true)
        unusedBytes = medium.size - survey.table.size.bytes
        for extent in survey.logExtents {
            extents += 1
            try survey.forEachRecord(in: extent) { record in
                soundRecords += 1
                soundBytes += record.units.bytes
            }
        }
        try survey.checkCheckpoint()
        damage = survey.damage
    }
}
