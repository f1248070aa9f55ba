import ArgumentParser
import PmemKV

struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy all keys and values into a new pool.",
        discussion: "Done means that the new pool is complete and durable.")

    @OptionGroup var pool: PoolArguments

    @Argument(help: "The new pool's file; it must not exist.", completion: .file())
    var destination: String

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let progress = Progress(quiet)
        let keys = try pool.withStore(readOnly: true) { store in
            let keys = store.count
            try progress.during({ "copying \(keys) keys" }) {
                try onExisting(destination, "give another name, or remove it") {
                    try store.backup(to: destination)
                }
            }
            return keys
        }
        progress.summarise("\(keys) key\(keys == 1 ? "" : "s") copied to \(destination)")
    }
}
