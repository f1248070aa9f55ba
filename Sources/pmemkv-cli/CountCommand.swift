import ArgumentParser
import PmemKV

struct Count: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "Print the number of keys that belong to no table, or to one.")

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    func run() throws {
        let count = try pool.withStore(readOnly: true) { try table.keys(of: $0).count }
        try ByteOutput().printLine(String(count))
    }
}
