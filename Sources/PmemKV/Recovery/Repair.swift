import CPmem
import Glibc
import SystemPackage

/// What a repair saved and what it could not.
public struct RepairReport: Sendable, Equatable {
    /// Keys in the new pool.
    public var keys = 0
    /// Everything in the old pool that is damaged.
    public var damage: [Damage] = []
    /// Keys of which only an older version was readable; that one is in the new pool.
    public var olderVersions: [[UInt8]] = []
    /// Keys of which no version was readable.
    public var lostKeys: [[UInt8]] = []
    /// Segments whose state was unknown and whose records were taken nevertheless: removed keys
    /// may be back.
    public var guessedSegments: [Int] = []

    /// Whether the new pool holds exactly what the old one held.
    public var isComplete: Bool {
        olderVersions.isEmpty && lostKeys.isEmpty && guessedSegments.isEmpty
            && !damage.contains { $0.kind == .record || $0.kind == .segmentLine }
    }
}

extension PmemStore {
    /// Salvages every readable record of a damaged pool into a new, sound one.
    ///
    /// The old pool is only read (shared lock). With `replacing` the new pool takes its place at
    /// the end, by rename(2); otherwise it stays as it is.
    ///
    /// - Parameters:
    ///   - path: the damaged pool.
    ///   - destination: the new pool's file; it must not exist.
    ///   - size: bytes of the new pool; nil takes the old one's size.
    /// - Complexity: O(bytes in use) time, O(keys) memory.
    public static func repair(
        at path: String, to destination: String, size: Int? = nil, replacing: Bool = false,
        options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> RepairReport {
        let medium = try openForSurvey(path, options)
        defer { medium.close() }
        var salvage = Salvage(survey: try PoolSurvey(medium, path: path))
        try salvage.collect()
        let geometry = salvage.survey.geometry
        let target = try create(
            at: destination,
            options: CreateOptions(
                size: size ?? geometry.poolSize, segmentSize: geometry.segmentSize))
        do throws(StoreError) {
            try salvage.write(to: target)
            try target.close()
        } catch {
            try? target.close()
            unlink(destination)
            throw error
        }
        if replacing, rename(destination, path) != 0 {
            throw StoreError(
                .io, "the repaired pool is at \(destination), but cannot take the place of \(path)",
                cause: Errno(rawValue: errno))
        }
        return salvage.report
    }
}

/// The newest readable version of every key.
private struct Salvage {
    struct Version {
        var sequence: UInt64
        var isTombstone: Bool
        var extent: Int
        var location: Location
    }

    var survey: PoolSurvey
    var report = RepairReport()
    private var versions: [[UInt8]: Version] = [:]
    private var extents: [PoolSurvey.Extent] = []

    init(survey: PoolSurvey) { self.survey = survey }

    mutating func collect() throws(StoreError) {
        extents = survey.extents.filter { $0.state == .log }
        for segment in survey.unknownSegments {
            guard let guess = survey.guess(segment) else { continue }
            report.guessedSegments.append(segment)
            extents.append(guess)
        }
        for (number, extent) in extents.enumerated() {
            var versions = versions
            self.versions = [:]
            try survey.forEachRecord(in: extent) { record in
                let key = [UInt8](record.key)
                if let known = versions[key], known.sequence >= record.sequence { return }
                versions[key] = Version(
                    sequence: record.sequence, isTombstone: record.isTombstone, extent: number,
                    location: record.location)
            }
            self.versions = versions
        }
        report.damage = survey.damage.sorted { $0.offset < $1.offset }
        for damage in report.damage where damage.kind == .value {
            noteLostVersion(damage)
        }
    }

    /// A version with a damaged value was the newest, or was superseded anyway: its header says.
    private mutating func noteLostVersion(_ damage: Damage) {
        guard let key = damage.key else { return }
        let header = TolerantReader(survey.medium).read(
            at: damage.offset, count: RecordLayout.headerSize
        ).bytes.withUnsafeBytes { $0.loadUnaligned(as: cpmem_record.self) }
        guard let known = versions[key] else {
            report.lostKeys.append(key)
            return
        }
        if known.sequence < header.sequence { report.olderVersions.append(key) }
    }

    /// Puts the newest versions into the new pool, extent by extent.
    mutating func write(to store: PmemStore) throws(StoreError) {
        for (number, extent) in extents.enumerated() {
            let versions = versions
            var failure: StoreError?
            try survey.forEachRecord(in: extent) { record in
                guard failure == nil, !record.isTombstone,
                    let newest = versions[[UInt8](record.key)], newest.extent == number,
                    newest.location == record.location
                else { return }
                do throws(StoreError) {
                    try store.put(record.value, forKey: record.key, durability: .relaxed)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
        }
        try store.sync()
        report.keys = store.count
    }
}
