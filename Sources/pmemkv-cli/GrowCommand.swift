import ArgumentParser
import PmemKV
import PmemKVText

struct Grow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grow",
        abstract: "Make a pool larger, in place.",
        discussion: """
            SIZE is what the pool is to have, not what is added. A file gets its blocks at once; \
            how far it may grow was fixed when it was created (create --max-size), and 'info' \
            tells. A devdax device does not grow. Interrupted at any moment, a pool has the old \
            size or the new one.

            Exit status: 28 when the file system is full, 64 for a size that is not possible.
            """)

    @OptionGroup var pool: PoolArguments

    @Argument(help: "Bytes that the pool is to have.", transform: ByteSize.init(option:))
    var size: ByteSize

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let progress = Progress(quiet)
        let (before, after) = try pool.withStore(readOnly: false) { store in
            let before = store.statistics
            try progress.during({ "allocating \(pool.pool)" }) {
                try store.grow(to: size.bytes)
            }
            return (before, store.statistics)
        }
        progress.summarise(
            "\(pool.pool.shown) has \(after.poolBytes.inUnits) now, "
                + "\(after.segments.counted("segment")), and had \(before.segments)")
    }
}
