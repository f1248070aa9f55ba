import ArgumentParser
import PmemKV
import PmemKVText

struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print the value of a key.",
        discussion: """
            The exact bytes; a newline follows only on a terminal. Exit status: 1 when there is \
            no such key.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption
    @Argument var key: String
    @OptionGroup var hex: HexOption

    func run() throws {
        let key = try hex.bytes(key)
        let output = ByteOutput()
        try pool.withStore(readOnly: true) { store in
            let found: Void? = try table.keys(of: store).withValue(forKey: key) { value in
                value.withUnsafeBytes { print($0, to: output) }
            }
            guard found != nil else { throw Failure.noSuchKey }
        }
        try output.flush()
    }

    private func print(_ value: UnsafeRawBufferPointer, to output: ByteOutput) {
        if hex.isHex {
            Hex.append(value, to: &output.buffer)
        } else {
            output.write(value)
        }
        if output.isTerminal { output.write("\n") }
    }
}
