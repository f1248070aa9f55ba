import ArgumentParser
import PmemKV
import PmemKVText

struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy all keys and values into a new pool.",
        discussion: """
            Done means that the new pool is complete and durable; until then there is none. It \
            has the owner and mode of the old one, and holds all of it however full that is. \
            --require holds for both pools. Exit status: 28 when SIZE is too small, with the \
            least that fits.
            """)

    @OptionGroup var pool: PoolArguments

    @Argument(
        help: "The new pool: a file that does not exist, or a devdax device.", completion: .file())
    var destination: PoolPath

    @Option(help: "Bytes of the new pool; as many as the old one has when not given.")
    var size: ByteSize?

    func run() throws {
        try pool.withStore(readOnly: true) {
            try $0.backup(to: destination, size: size?.bytes, requirement: pool.require)
        }
    }
}
