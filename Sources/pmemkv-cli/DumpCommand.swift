import ArgumentParser
import PmemKV
import PmemKVText

struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print all keys and values as text that 'load' and mdb_load read.",
        discussion: """
            The text form of Berkeley DB and LMDB, in bytewise order of the keys. LMDB takes keys \
            of at most 511 bytes.
            """)

    @OptionGroup var pool: PoolArguments

    @Flag(help: "Printable characters as they are (format=print) instead of hexadecimal.")
    var print = false

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let output = ByteOutput()
        let progress = Progress(quiet)
        var written = 0
        let writer = DumpWriter(format: print ? .print : .bytevalue)
        try pool.withStore(readOnly: true) { store in
            let numbers = store.statistics
            writer.appendHeader(
                mapSize: DumpFormat.mapSize(keys: numbers.keys, bytes: numbers.liveBytes),
                to: &output.buffer)
            try store.scan { key, value in
                key.withUnsafeBytes { key in
                    value.withUnsafeBytes {
                        writer.append(key: key, value: $0, to: &output.buffer)
                    }
                }
                written += 1
                progress.show("records written: \(written)")
                return output.flushIfLarge()
            }
        }
        writer.appendEnd(to: &output.buffer)
        try output.flush()
        progress.summarise(written.counted("record") + " written")
    }
}
