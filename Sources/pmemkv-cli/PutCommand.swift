import ArgumentParser
import PmemKV

struct Put: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Store a value under a key, in place of an older one.",
        discussion: """
            Done means durable. Without VALUE, or with '-', the value is read from standard \
            input as it is, even with --hex. A pool that does not exist is not created; a table is.
            """,
        aliases: ["set"])

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption
    @Argument var key: String
    @Argument(help: "The value; '-' or nothing for standard input.") var value: String?
    @OptionGroup var hex: HexOption

    func run() throws {
        let key = try hex.bytes(key)
        let given = try value.flatMap { $0 == "-" ? nil : try hex.bytes($0) }
        // The pool is opened first: its lock is worth knowing about before input is waited for.
        try pool.withStore(readOnly: false) { store in
            let value = try given ?? ByteInput().readAll()
            try table.keys(of: store).put(value, forKey: key, durability: .durable)
        }
    }
}
