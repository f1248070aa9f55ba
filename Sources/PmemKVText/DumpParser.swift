/// Reads the text form of ``DumpFormat``, one line after another.
///
/// What a pool cannot hold (several values a key, records without keys) is refused at the
/// header, before any data.
package struct DumpParser {
    /// What a line completed.
    package enum Event: Equatable, Sendable {
        /// Nothing yet.
        case none
        /// A record; it is in ``DumpParser/key`` and ``DumpParser/value``.
        case record
        /// DATA=END.
        case end
    }

    private enum State { case header, key, value, ended }

    private var state = State.header
    private var sawVersion = false
    private var format = DumpFormat.bytevalue
    /// Lines read so far.
    package private(set) var line = 0
    package private(set) var key: [UInt8] = []
    package private(set) var value: [UInt8] = []
    /// The name that the header gives to what follows; nil where it gives none.
    package private(set) var database: [UInt8]?

    package init() {}

    /// Takes the next line, without its newline.
    package mutating func parse(_ text: ArraySlice<UInt8>) throws(TextError) -> Event {
        line += 1
        // No writer leaves this byte as it is. LMDB takes it for a part of keys and values, which
        // is not what was dumped.
        guard text.last != 13 else {
            throw failure(
                "the dump has CRLF line ends, which are not a part of it; "
                    + "`tr -d '\\r' < FILE` takes them out")
        }
        switch state {
        case .header:
            try parseHeader(text)
            return .none
        case .key:
            if text.elementsEqual(DumpFormat.dataEnd) {
                state = .ended
                return .end
            }
            try Self.decode(text, format, into: &key, line: line)
            state = .value
            return .none
        case .value:
            guard !text.elementsEqual(DumpFormat.dataEnd) else {
                throw failure("the last key has no value")
            }
            try Self.decode(text, format, into: &value, line: line)
            state = .key
            return .record
        case .ended:
            guard !text.isEmpty else { return .none }
            // Several databases stand behind one another, each with a header.
            guard text.starts(with: DumpFormat.begin) else {
                throw failure("more text behind DATA=END, and no other dump: that begins VERSION=")
            }
            (state, sawVersion, format, database) = (.header, false, .bytevalue, nil)
            try parseHeader(text)
            return .none
        }
    }

    /// Call at the end of the text: throws when DATA=END has not been seen.
    package func finish() throws(TextError) {
        switch state {
        case .ended: return
        case .header where line == 0:
            throw failure("the input is empty; a dump begins with VERSION=3")
        case .header: throw failure("the dump ends without HEADER=END: it is incomplete")
        case .key, .value: throw failure("the dump ends without DATA=END: it is incomplete")
        }
    }

    private func failure(_ message: String) -> TextError { TextError(line: line, message) }

    private mutating func parseHeader(_ text: ArraySlice<UInt8>) throws(TextError) {
        if text.elementsEqual(DumpFormat.headerEnd) {
            guard sawVersion else { throw failure("a dump begins with VERSION=3") }
            state = .key
            return
        }
        if sawVersion, text.elementsEqual(DumpFormat.dataEnd) {
            throw failure("DATA=END without HEADER=END, which ends the header before the data")
        }
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
            throw failure(
                sawVersion
                    ? "a header line reads NAME=VALUE, and HEADER=END ends the header"
                    : "this is no dump: a dump begins with VERSION=3")
        }
        let name = String(decoding: text[..<equals], as: UTF8.self)
        let value = String(decoding: text[(equals + 1)...], as: UTF8.self)
        guard sawVersion || name == "VERSION" else {
            throw failure("this is no dump: a dump begins with VERSION=3")
        }
        switch (name, value) {
        case ("VERSION", "3"): sawVersion = true
        case ("VERSION", _): throw failure("VERSION=\(value); only version 3 can be read")
        case ("format", _):
            guard let known = DumpFormat(rawValue: value) else {
                throw failure("format=\(value); only bytevalue and print can be read")
            }
            format = known
        case ("type", "btree"), ("type", "hash"): break
        case ("type", _): throw failure("type=\(value); only btree and hash have keys of their own")
        case ("database", _):
            let name = text[(equals + 1)...]
            guard (1...255).contains(name.count), String(validating: name, as: UTF8.self) != nil
            else {
                throw failure("a table's name has 1 to 255 bytes of UTF-8")
            }
            database = Array(name)
        case ("keys", "0"): throw failure("keys=0; a dump without keys cannot be loaded")
        case ("duplicates", "1"), ("dupsort", "1"):
            throw failure("\(name)=1; a pool has one value a key")
        default: break
        }
    }

    private static func decode(
        _ text: ArraySlice<UInt8>, _ format: DumpFormat, into bytes: inout [UInt8], line: Int
    ) throws(TextError) {
        guard text.first == UInt8(ascii: " ") else {
            throw TextError(line: line, "a line of data begins with a blank")
        }
        bytes.removeAll(keepingCapacity: true)
        let body = text.dropFirst()
        switch format {
        case .bytevalue:
            guard body.withUnsafeBytes({ Hex.decode($0, into: &bytes) }) else {
                let other = body.firstIndex { Hex.value($0) == nil }
                throw TextError(
                    line: line,
                    other.map {
                        "character \($0 - text.startIndex + 1) is no hexadecimal digit, of which "
                            + "a dump has two a byte unless it says format=print"
                    } ?? "not an even number of hexadecimal digits")
            }
        case .print:
            guard body.withUnsafeBytes({ decodePrint($0, into: &bytes) }) else {
                throw TextError(
                    line: line,
                    """
                    a backslash stands before another or before two hexadecimal digits; LMDB \
                    before 0.9.25 leaves backslashes as they are: dump without -p
                    """)
            }
        }
    }

    private static func decodePrint(
        _ text: UnsafeRawBufferPointer, into bytes: inout [UInt8]
    ) -> Bool {
        let backslash = UInt8(ascii: "\\")
        var index = 0
        while index < text.count {
            if text[index] != backslash {
                bytes.append(text[index])
                index += 1
            } else if index + 1 < text.count, text[index + 1] == backslash {
                bytes.append(backslash)
                index += 2
            } else if index + 2 < text.count, let high = Hex.value(text[index + 1]),
                let low = Hex.value(text[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                return false
            }
        }
        return true
    }
}
