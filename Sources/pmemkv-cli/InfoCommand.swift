import ArgumentParser
import PmemKV
import PmemKVText

struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Tell what a pool lives on and what makes a write durable there.",
        discussion: "The strategy is the one that a writer with the same options would have.")

    @OptionGroup var pool: PoolArguments
    @OptionGroup var json: JSONOption

    func run() throws {
        let sheet = try pool.withStore(readOnly: true) { Self.sheet($0) }
        try sheet.print(json: json.isJSON, to: ByteOutput())
    }

    private static func sheet(_ store: PmemStore) -> FactSheet {
        let info = store.mediumInfo
        let statistics = store.statistics
        var sheet = FactSheet()
        sheet.add("path", .text(info.path))
        sheet.add("kind", .text(info.kind.rawValue))
        sheet.add("fileSystem", info.fileSystem.map(JSON.text) ?? .null)
        sheet.add("dax", .flag(info.isDAX))
        sheet.add("mapSync", .flag(info.acceptsMapSync))
        sheet.add("forced", .flag(info.isForced))
        sheet.add("noFlush", .flag(info.isUnflushed))
        sheet.add("autoFlush", .flag(info.hasAutoFlush))
        sheet.add("strategy", .text(info.strategy.rawValue))
        sheet.add(
            "durable", info.survivesPowerLoss.map(JSON.flag) ?? .null,
            text: info.survivesPowerLoss == nil ? "unknown" : nil)
        sheet.add("guarantee", .text(info.guarantee))
        sheet.add(bytes: statistics.poolBytes, "poolBytes")
        sheet.add(bytes: statistics.maximumPoolBytes, "maximumPoolBytes")
        let unused = statistics.unusedBytes
        sheet.add(
            "unusedBytes", .integer(unused),
            text: unused > 0 ? "\(unused.counted("byte")) behind the pool, not used" : nil)
        sheet.add(bytes: statistics.segmentBytes, "segmentBytes")
        sheet.add("segments", .integer(statistics.segments))
        sheet.add("keys", .integer(statistics.keys))
        sheet.add("cleanlyClosed", .flag(store.recoveryReport.wasClean))
        return sheet
    }
}
