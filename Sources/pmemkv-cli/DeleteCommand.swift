import ArgumentParser
import PmemKV

struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Remove a key.",
        discussion: "Exit status: 1 when there is no such key.",
        aliases: ["del"])

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption
    @Argument var key: String
    @OptionGroup var hex: HexOption

    func run() throws {
        let key = try hex.bytes(key)
        let wasThere = try pool.withStore(readOnly: false) { store in
            try table.keys(of: store).remove(key, durability: .durable)
        }
        if !wasThere { throw Failure.noSuchKey }
    }
}
