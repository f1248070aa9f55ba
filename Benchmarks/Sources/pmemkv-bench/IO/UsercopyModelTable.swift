/// The model on the terminal, set beside the published figures.
enum UsercopyModelTable {
    /// fio, 4 KiB psync writes, struct page on the device and in DRAM (May 2019).
    static let publishedOnDevice = 375_000.0
    static let publishedInDRAM = 519_000.0

    static var publishedDifference: Double { 1e9 / publishedOnDevice - 1e9 / publishedInDRAM }

    static func render(_ model: UsercopyModelReport) -> String {
        var table = TextTable(header: [
            "MODEL, 4 KiB pwrite", "writes/s", "min", "max", "of none", "95 % interval",
            "extra/write",
        ])
        for row in model.rows {
            table.rows.append([
                row.placement, Format.rate(row.writesPerSecond.median),
                Format.rate(row.writesPerSecond.min), Format.rate(row.writesPerSecond.max),
                Format.fixed(row.againstNone.ratio, 3),
                Format.fixed(row.againstNone.low, 3) + " to "
                    + Format.fixed(row.againstNone.high, 3),
                Format.fixed(row.extraNanoseconds, 0) + " ns",
            ])
        }
        let intro =
            "\(model.label). One 64-byte entry of a table of \(Format.bytes(model.tableBytes)) "
            + "on \(model.target), cold, is read before each write."
        return [intro, table.render(), published()].joined(separator: "\n")
    }

    /// How many cold reads of which latency explain the published difference.
    static func published() -> String {
        var table = TextTable(header: ["latency of a cold line", "reads that explain it"])
        for latency in [80.0, 150, 300, 450, 740, 1500] {
            table.rows.append([
                Format.nanoseconds(latency), Format.fixed(publishedDifference / latency, 1),
            ])
        }
        return
            "published: 375K writes/s with struct page on the device, 519K in DRAM (+38 %). Seen "
            + "as one writer that is \(Format.fixed(publishedDifference, 0)) ns a write (1/375K - "
            + "1/519K; N writers at once: N times that):\n" + table.render()
    }
}
