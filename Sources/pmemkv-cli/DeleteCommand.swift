import ArgumentParser
import PmemKV

struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Remove a key.",
        discussion: "Exit status: 1 when there is no such key.",
        aliases: ["del"])

    @OptionGroup var pool: PoolArguments
    @Argument var key: String
    @OptionGroup var hex: HexOption

    func run() throws {
        let key = try hex.bytes(key)
        let wasThere = try pool.withStore(readOnly: false) { try $0.remove(key) }
        if !wasThere { throw Failure.noSuchKey }
    }
}
