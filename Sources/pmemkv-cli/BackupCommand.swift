import ArgumentParser
import PmemKV

struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy all keys and values into a new pool.",
        discussion: """
            Done means that the new pool is complete and durable. --require holds for both pools.
            """)

    @OptionGroup var pool: PoolArguments

    @Argument(help: "The new pool's file; it must not exist.", completion: .file())
    var destination: String

    func run() throws {
        try pool.withStore(readOnly: true) {
            try $0.backup(to: destination, requirement: pool.require)
        }
    }
}
