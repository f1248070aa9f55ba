import ArgumentParser
import PmemKV
import PmemKVText

struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print all keys and values as text that 'load' and mdb_load read.",
        discussion: """
            The text form of Berkeley DB and LMDB, in bytewise order of the keys. LMDB takes keys \
            of at most 511 bytes. With --all the keys of no table come first, if there are any, \
            then those of each table behind a header of their own, which names it as mdb_dump -a \
            does. LMDB keeps named databases among the other keys: what is of no table and has \
            such a name is in its way.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    @Flag(name: [.long, .customShort("a")], help: "All tables.")
    var all = false

    @Flag(help: "Printable characters as they are (format=print) instead of hexadecimal.")
    var print = false

    @OptionGroup var quiet: QuietOption

    func validate() throws {
        if all && table.table != nil {
            throw ValidationError("--all and --table exclude each other.")
        }
    }

    func run() throws {
        let output = ByteOutput()
        let progress = Progress(quiet)
        var written = 0
        let writer = DumpWriter(format: print ? .print : .bytevalue)
        try pool.withStore(readOnly: true) { store in
            let numbers = store.statistics
            let mapSize = DumpFormat.mapSize(keys: numbers.keys, bytes: numbers.liveBytes)
            for (name, keys) in try parts(of: store) {
                writer.appendHeader(database: name, mapSize: mapSize, to: &output.buffer)
                try keys.scan { key, value in
                    key.withUnsafeBytes { key in
                        value.withUnsafeBytes {
                            writer.append(key: key, value: $0, to: &output.buffer)
                        }
                    }
                    written += 1
                    progress.show("records written: \(written)")
                    return output.flushIfLarge()
                }
                writer.appendEnd(to: &output.buffer)
            }
        }
        try output.flush()
        progress.summarise(written.counted("record") + " written")
    }

    /// What is dumped, and under which names.
    private func parts(of store: PmemStore) throws -> [(name: String?, keys: any KeySpace)] {
        guard all else { return [(nil, try table.keys(of: store))] }
        let tables = try store.tables()
        let unnamed: [(String?, any KeySpace)] =
            store.count > 0 || tables.isEmpty ? [(nil, store)] : []
        return try unnamed + tables.map { ($0.name, try store.table(named: $0.name)) }
    }
}
