import ArgumentParser
import PmemKV

struct Count: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count", abstract: "Print the number of keys.")

    @OptionGroup var pool: PoolArguments

    func run() throws {
        let count = try pool.withStore(readOnly: true) { $0.count }
        try ByteOutput().printLine(String(count))
    }
}
