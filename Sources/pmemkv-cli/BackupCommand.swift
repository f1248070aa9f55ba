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

    @Option(
        help: "Bytes of the new pool; as many as the old one has when not given.",
        transform: ByteSize.init(option:))
    var size: ByteSize?

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let progress = Progress(quiet)
        let keys = try pool.withStore(readOnly: true) { store in
            let keys = store.count
            try progress.during({ "copying \(keys.counted("key"))" }) {
                try onExisting(destination, "give another name, or remove it") {
                    try store.backup(
                        to: destination, size: size?.bytes, requirement: pool.require)
                }
            }
            return keys
        }
        let copied = "\(keys.counted("key")) copied to \(destination.shown)"
        progress.summarise(copied)
    }
}
