import ArgumentParser
import PmemKV
import PmemKVText

struct Stat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat",
        abstract: "Print a pool's numbers: keys, space, and what opening it took.")

    @OptionGroup var pool: PoolArguments
    @OptionGroup var json: JSONOption

    func run() throws {
        let sheet = try pool.withStore(readOnly: true) { try Self.sheet($0) }
        try sheet.print(json: json.isJSON, to: ByteOutput())
    }

    private static func sheet(_ store: PmemStore) throws -> FactSheet {
        let numbers = store.statistics
        let report = store.recoveryReport
        var sheet = FactSheet()
        sheet.add("keys", .integer(numbers.keys))
        sheet.add("tables", .integer(numbers.tables))
        sheet.add(bytes: numbers.poolBytes, "poolBytes")
        sheet.add(bytes: numbers.maximumPoolBytes, "maximumPoolBytes")
        sheet.add(bytes: numbers.segmentBytes, "segmentBytes")
        sheet.add("segments", .integer(numbers.segments))
        sheet.add("freeSegments", .integer(numbers.freeSegments))
        sheet.add("quarantinedSegments", .integer(numbers.quarantinedSegments))
        addSpace(numbers, to: &sheet)
        sheet.add(bytes: try store.largestValue(), "largestValueBytes")
        sheet.add(bytes: numbers.liveBytes, "liveBytes")
        sheet.add(bytes: numbers.tombstoneBytes, "tombstoneBytes")
        sheet.add(bytes: numbers.checkpointBytes, "checkpointBytes")
        sheet.add(bytes: numbers.indexBytes, "indexBytes")
        sheet.add("cleanlyClosed", .flag(report.wasClean))
        sheet.add("usedCheckpoint", .flag(report.usedCheckpoint))
        sheet.add("checkpointRecords", .integer(report.checkpointRecords))
        sheet.add("summaryRecords", .integer(report.summaryRecords))
        sheet.add("scannedRecords", .integer(report.scannedRecords))
        sheet.add("damagedRecords", .integer(report.damagedRecords))
        sheet.add("damagedSummaries", .integer(report.damagedSummaries))
        sheet.add(
            "damagedSuperblocks", .list(report.damagedSuperblocks.map { .integer($0) }))
        sheet.add("mediaFaults", .integer(numbers.mediaFaults))
        sheet.add("openSeconds", .number((report.seconds * 1e6).rounded() / 1e6))
        return sheet
    }

    /// How full the pool is: what is used, what is free at once, and between them what compaction
    /// frees when it is needed.
    private static func addSpace(_ numbers: Statistics, to sheet: inout FactSheet) {
        let capacity = (numbers.segments - numbers.quarantinedSegments) * numbers.segmentBytes
        let used = numbers.liveBytes + numbers.tombstoneBytes
        let free = numbers.freeSegments * numbers.segmentBytes
        let tenths = capacity > 0 ? (Double(used) / Double(capacity) * 1000).rounded() : 0
        sheet.add(bytes: used, "usedBytes")
        sheet.add(bytes: free, "freeBytes")
        sheet.add(bytes: max(0, capacity - used - free), "reclaimableBytes")
        sheet.add("usedPercent", .number(tenths / 10))
    }
}
