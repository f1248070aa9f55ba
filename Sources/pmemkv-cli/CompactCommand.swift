import ArgumentParser
import PmemKV

struct Compact: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Copy live data together until no more space can be gained.",
        discussion: """
            A store does this by itself when it needs the space; doing it beforehand takes it off \
            the path of later writes.
            """)

    @OptionGroup var pool: PoolArguments

    func run() throws {
        try pool.withStore(readOnly: false) { try $0.compact() }
    }
}
