import ArgumentParser
import PmemKV

struct Exists: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exists",
        abstract: "Tell by the exit status whether a key is there: 0 yes, 1 no.")

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption
    @Argument var key: String
    @OptionGroup var hex: HexOption

    func run() throws {
        let key = try hex.bytes(key)
        let isThere = try pool.withStore(readOnly: true) { try table.keys(of: $0).contains(key) }
        if !isThere { throw ExitCode(ExitStatus.notFound) }
    }
}
