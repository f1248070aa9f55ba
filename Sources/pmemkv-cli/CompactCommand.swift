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
    @OptionGroup var quiet: QuietOption

    func run() throws {
        let progress = Progress(quiet)
        let (before, after) = try pool.withStore(readOnly: false) { store in
            let before = store.statistics
            try progress.during({ "compacting: \(store.statistics.freeSegments) segments free" }) {
                try store.compact()
            }
            return (before, store.statistics)
        }
        progress.summarise(
            "\(after.freeSegments) of \(after.segments) segments are free now, "
                + "\(before.freeSegments) were before")
    }
}
