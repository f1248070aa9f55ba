import ArgumentParser
import PmemKV
import PmemKVText

struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create an empty pool.",
        discussion: """
            SIZE is a number of bytes, or a number with KiB, MiB, GiB or TiB: 64MiB, 4GiB. All \
            of it is allocated at once. A devdax device takes no size: a pool uses all of it.

            Exit status: 73 when the pool cannot be created, or something is there already.
            """)

    @OptionGroup var pool: PoolArguments

    @Option(help: "Bytes of the pool; 1GiB when not given.")
    var size: ByteSize?

    @Option(
        help: """
            Bytes of a segment, a power of two; chosen by the pool's size when not given. A \
            value longer than a segment needs several free ones side by side.
            """)
    var segmentSize: ByteSize?

    @Flag(help: "Put the new pool, once it is complete, in the place of what is there.")
    var force = false

    func run() throws {
        var options = CreateOptions(
            size: size?.bytes, segmentSize: segmentSize?.bytes, overwrite: force)
        options.open = pool.options(readOnly: false)
        let store = try create(options)
        let info = store.mediumInfo
        try store.close()
        if !info.isDurable { Diagnostics.print("note: \(info.path) is \(info.guarantee)") }
    }

    private func create(_ options: CreateOptions) throws(StoreError) -> PmemStore {
        do throws(StoreError) {
            return try PmemStore.create(at: pool.pool, options: options)
        } catch {
            guard error.code == .alreadyExists else { throw error }
            throw StoreError(.alreadyExists, error.message + "; --force does it")
        }
    }
}
