import ArgumentParser
import PmemKV
import PmemKVText

struct Scan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan",
        abstract: "Print keys and values in bytewise order of the keys.",
        discussion: """
            A line a key: the key, a tab, the value. Control characters, backslashes and bytes \
            that are no UTF-8 show as \\\\, \\t, \\n, \\r, \\xNN. With --json a line is an object \
            with members schema (1), key and value, the latter two in base64.
            """,
        aliases: ["ls"])

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    @Option(help: "Only keys that begin with this.")
    var prefix: String?

    @Option(help: "Only keys from this one on.")
    var from: String?

    @Option(help: "Only keys below this one.")
    var to: String?

    @Flag(help: "From the last key to the first.")
    var reverse = false

    @Option(
        help: "At most so many keys.",
        transform: { text throws in
            guard let limit = Int(text), limit >= 0 else {
                throw ValidationError("a limit is a whole number of keys, 0 or more")
            }
            return limit
        })
    var limit: Int?

    @Flag(help: "No values.")
    var keysOnly = false

    @Flag(help: "JSON Lines, keys and values in base64.")
    var json = false

    @OptionGroup var hex: HexOption

    func validate() throws {
        if json && hex.isHex { throw ValidationError("--json and --hex exclude each other.") }
    }

    func run() throws {
        let range = try (prefix.map { try KeyRange.prefix(hex.bytes($0)) } ?? .all)
            .intersection(
                KeyRange(from: try from.map(hex.bytes), to: try to.map(hex.bytes)))
        let output = ByteOutput()
        try pool.withStore(readOnly: true) { store in
            try table.keys(of: store).scan(range, reverse: reverse, limit: limit) { key, value in
                key.withUnsafeBytes { key in
                    value.withUnsafeBytes { append(key, $0, to: &output.buffer) }
                }
                return output.flushIfLarge()
            }
        }
        try output.flush()
    }

    private func append(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to text: inout [UInt8]
    ) {
        if json {
            text.append(contentsOf: "{\"schema\":1,\"key\":\"".utf8)
            Base64.append(key, to: &text)
            if !keysOnly {
                text.append(contentsOf: "\",\"value\":\"".utf8)
                Base64.append(value, to: &text)
            }
            text.append(contentsOf: "\"}\n".utf8)
            return
        }
        appendText(key, to: &text)
        if !keysOnly {
            text.append(9)
            appendText(value, to: &text)
        }
        text.append(10)
    }

    private func appendText(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        if hex.isHex {
            Hex.append(bytes, to: &text)
        } else {
            EscapedText.append(bytes, to: &text)
        }
    }
}
