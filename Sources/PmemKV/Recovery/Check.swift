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

    /// Whether nothing is damaged.
    public var isSound: Bool { damage.isEmpty }
}

extension PmemStore {
    /// Reads every byte in use and reports all damage; changes nothing.
    ///
    /// Takes a shared lock. Files are read with read(2), where a media error is an error number
    /// and no signal; devdax through the guarded mapping.
    ///
    /// - Throws: what opening throws; damage is reported, not thrown, unless not even the
    ///   geometry of the pool is known.
    /// - Complexity: O(bytes in use).
    public static func check(
        at path: String, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> CheckReport {
        let medium = try openForSurvey(path, options)
        defer { medium.close() }
        return try check(medium, path: path)
    }

    package static func check(
        _ medium: any PersistentMedium, path: String
    ) throws(StoreError) -> CheckReport {
        var survey = try PoolSurvey(medium, path: path)
        var report = CheckReport()
        for extent in survey.extents where extent.state == .log {
            report.extents += 1
            try survey.forEachRecord(in: extent) { record in
                report.soundRecords += 1
                report.soundBytes += record.units * Geometry.line
            }
        }
        survey.checkCheckpoint()
        report.damage = survey.damage.sorted { $0.offset < $1.offset }
        return report
    }

    static func openForSurvey(
        _ path: String, _ options: OpenOptions
    ) throws(StoreError) -> any PersistentMedium {
        let file = try PoolFile.open(path, readOnly: true)
        let io: IOPath = options.io == .automatic && !file.isDevdax ? .syscalls : options.io
        return try MediumOpening.open(
            file, io: io, requireSynchronousDAX: options.requireSynchronousDAX
        ).0.backing
    }
}
