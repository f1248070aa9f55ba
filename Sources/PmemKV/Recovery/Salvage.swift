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
    /// Segments whose state was unknown, guessed or not: what they held may be missing.
    public var unknownSegments: [Int] = []

    /// Whether the new pool holds exactly what the old one held.
    public var isComplete: Bool {
        olderVersions.isEmpty && lostKeys.isEmpty && unknownSegments.isEmpty
            && !damage.contains { $0.kind == .record }
    }
}

/// The newest readable version of every key of a damaged pool.
struct Salvage {
    private struct Version {
        var sequence: SequenceNumber
        var extent: Int
        var location: Location
        var units: Units
        var isFound: Bool
    }

    private var survey: PoolSurvey
    private(set) var report = RepairReport()
    /// By their tables, two bytes, and keys.
    private var versions: [[UInt8]: Version] = [:]
    private var extents: [Extent] = []
    /// Numbers of tables of which the catalog has no readable record: they get names that say so.
    private(set) var unnamedTables: [TableNumber] = []

    var geometry: Geometry { survey.geometry }
    var size: PoolSize { survey.table.size }

    /// - Complexity: O(bytes in use) time, O(keys) memory.
    init(_ medium: Medium, path: String) throws(StoreError) {
        survey = try PoolSurvey(medium, path: path, checksCheckpoint: false)
        extents = survey.logExtents
        for segment in survey.table.segments.unknown {
            report.unknownSegments.append(segment.rawValue)
            guard let guess = survey.guess(segment) else { continue }
            report.guessedSegments.append(segment.rawValue)
            extents.append(guess)
        }
        var versions: [[UInt8]: Version] = [:]
        var floors: [[UInt8]: SequenceNumber] = [:]
        for (number, extent) in extents.enumerated() {
            try survey.forEachRecord(in: extent) { record in
                let key = Self.identity(record)
                if let known = versions[key], known.sequence >= record.sequence { return }
                if record.table == .catalog {
                    guard let number = TableRecord.number(of: record.key),
                        let table = TableRecord(record.value),
                        table.isPossible(of: number, record.sequence)
                    else { return }
                    floors[record.key.array] = table.floor
                }
                versions[key] = Version(
                    sequence: record.sequence, extent: number, location: record.location,
                    units: record.units, isFound: record.kind?.isFound == true)
            }
        }
        // By the newest readable records of the catalog.
        self.versions = versions.filter { key, version in
            floors[Array(key.prefix(2))].map { version.sequence >= $0 } ?? true
        }
        unnamedTables = Self.gaps(in: self.versions.keys)
        report.damage = survey.damage
        for damage in report.damage where damage.kind == .value {
            noteLostVersion(damage)
        }
    }

    /// The numbers up to the highest one met that have no record in the catalog.
    private static func gaps(in identities: some Sequence<[UInt8]>) -> [TableNumber] {
        var named: Set<Int> = []
        var highest = 0
        for identity in identities {
            let (table, key) = (Array(identity.prefix(2)), Array(identity.dropFirst(2)))
            let isOfCatalog = table == TableRecord.key(of: .catalog)
            let bytes = isOfCatalog ? key : table
            let number = Int(bytes[0]) << 8 | Int(bytes[1])
            highest = max(highest, number)
            if isOfCatalog { named.insert(number) }
        }
        guard highest > 0 else { return [] }
        return (1...highest).filter { !named.contains($0) }.map { TableNumber(UInt16($0)) }
    }

    private static func identity(_ record: RecordView) -> [UInt8] {
        identity(record.key.array, in: record.table)
    }

    private static func identity(_ key: [UInt8], in table: TableNumber) -> [UInt8] {
        TableRecord.key(of: table) + key
    }

    /// A version with a damaged value was the newest, or was superseded anyway: its header says.
    private mutating func noteLostVersion(_ damage: Damage) {
        guard let key = damage.key else { return }
        let header = TolerantReader(medium: survey.medium).read(
            at: damage.offset, count: RecordLayout.headerSize + RecordLayout.extensionSize
        ).bytes
        let (table, sequence) = header.withByteView {
            let view = ExtentWalk.view(in: $0, at: .zero, start: Location(units: 0), salt: 0)
            return (view.table, view.sequence)
        }
        guard let known = versions[Self.identity(key, in: table)] else {
            report.lostKeys.append(key)
            return
        }
        if known.sequence < sequence { report.olderVersions.append(key) }
    }

    /// Gives body the newest versions that are values, extent by extent: the units of each record,
    /// in the order of their places, and a way to go through them.
    mutating func forEachExtent(
        _ body: (
            _ units: [Units],
            _ forEach: (
                (_ key: TableKey, _ value: ByteView) throws(StoreError) -> Void
            ) throws(StoreError) -> Void
        ) throws(StoreError) -> Void
    ) throws(StoreError) {
        let versions = versions
        for (number, units) in units.enumerated() {
            try body(units) { visit throws(StoreError) in
                try survey.forEachRecord(in: extents[number]) { record throws(StoreError) in
                    guard let newest = versions[Self.identity(record)], newest.isFound,
                        newest.extent == number, newest.location == record.location
                    else { return }
                    try visit(record.tableKey, record.value)
                }
            }
        }
    }

    /// The units of the newest versions that are values, extent by extent, in the order of their
    /// places.
    private var units: [[Units]] {
        var found = extents.map { _ in [(location: Location, units: Units)]() }
        for version in versions.values where version.isFound {
            found[version.extent].append((version.location, version.units))
        }
        return found.map { records in
            records.sorted { $0.location.units < $1.location.units }.map(\.units)
        }
    }

    /// How many segments all of them take in another pool.
    var plan: FillPlan {
        var plan = FillPlan(geometry)
        for units in units { plan.add(units) }
        plan.add(unnamedTables.map { _ in RecordLayout.usualCatalogUnits })
        return plan
    }

    /// The report, once the new pool is complete.
    func finished(keys: Int) -> RepairReport {
        var report = report
        report.keys = keys
        return report
    }
}
