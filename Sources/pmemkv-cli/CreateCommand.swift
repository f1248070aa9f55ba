import ArgumentParser
import PmemKV
import PmemKVText

struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create an empty pool.",
        discussion: """
            SIZE is a number of bytes, or a number with K, M, G or T: 64MiB, 0.5G. All of it is \
            allocated at once. A devdax device takes no size: a pool uses all of it.

            Exit status: 73 when the pool cannot be created, or something is there already.
            """)

    @OptionGroup var pool: PoolArguments

    @Option(help: "Bytes of the pool; 1GiB when not given.", transform: ByteSize.init(option:))
    var size: ByteSize?

    @Option(
        help: """
            Bytes of a segment, a power of two; chosen by the pool's size when not given. A \
            value longer than a segment needs several free ones side by side.
            """, transform: ByteSize.init(option:))
    var segmentSize: ByteSize?

    @Option(
        help: """
            Bytes to which the pool may grow later; 16 times the size when not given, less where \
            segments are small. Takes 64 bytes for each segment.
            """, transform: ByteSize.init(option:))
    var maxSize: ByteSize?

    @Flag(help: "Put the new pool, once it is complete, in the place of what is there.")
    var force = false

    @OptionGroup var quiet: QuietOption

    func run() throws {
        var options = CreateOptions(
            size: size?.bytes, segmentSize: segmentSize?.bytes, maximumSize: maxSize?.bytes,
            overwrite: force)
        options.open = pool.options(readOnly: false)
        let progress = Progress(quiet)
        let store = try progress.during({ "allocating \(pool.pool)" }) {
            try onExisting(pool.pool, "--force destroys it and puts a new pool in its place") {
                try PmemStore.create(at: pool.pool, options: options)
            }
        }
        let info = store.mediumInfo
        let numbers = store.statistics
        try store.close()
        progress.summarise(
            "created \(info.path): \(numbers.poolBytes.inUnits), "
                + "\(numbers.segments.counted("segment")) of \(numbers.segmentBytes.inUnits)")
        if !info.isDurable { Diagnostics.print("note: \(info.path) is \(info.guarantee)") }
    }
}
