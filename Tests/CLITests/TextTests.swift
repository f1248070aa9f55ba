// The text forms by themselves, without a process: sizes, hexadecimal, base64, JSON, shell words,
// lines, dumps. Whatever bytes come in, a parser answers or throws.

import PmemKVText
import Testing

@Suite("Text forms")
struct TextTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func text(_ append: (inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        append(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("Sizes")
    func sizes() {
        let good = [
            "0": 0, "4096": 4096, "7B": 7, "1KiB": 1024, "64MiB": 64 << 20, "4GiB": 4 << 30,
            "2TiB": 2 << 40, "9223372036854775807": Int.max, "64M": 64 << 20, "64mb": 64 << 20,
            "64mIb": 64 << 20, "1k": 1024, "0.5GiB": 512 << 20, "1.5m": 3 << 19,
            "0.1KiB": 102, "8388607.999999TiB": 9_223_372_036_853_676_296,
        ]
        for (text, bytes) in good {
            #expect((try? ByteSize(parsing: text).bytes) == bytes, "\(text)")
        }
        let bad = [
            "", "MiB", "-1", "+1", "1.5", "1.5B", "1.MiB", ".5MiB", "1.5.5M", "64 MiB", "0x10",
            "8388608TiB", "9223372036854775808", "1KiBB", "1i", "1iB", "1bk", "1P", "١", "1e3",
            "0.1234567890123456G",
        ]
        for text in bad {
            #expect(throws: TextError.self, "\(text)") { try ByteSize(parsing: text) }
        }
        #expect(ByteSize(bytes: 1023).inUnits == nil)
        #expect(ByteSize(bytes: 1024).inUnits == "1 KiB")
        #expect(ByteSize(bytes: 1536 << 10).inUnits == "1.5 MiB")
        #expect(ByteSize(bytes: (1 << 30) - 1).inUnits == "1023.9 MiB")
        #expect(ByteSize(bytes: Int.max).inUnits != nil)
    }

    @Test("Hexadecimal")
    func hex() {
        #expect(Hex.decode("00fFA9") == [0, 255, 0xA9])
        #expect(Hex.decode("") == [])
        for wrong in ["0", "0g", " 00", "0x", "é0"] { #expect(Hex.decode(wrong) == nil) }
        let all = (0...255).map { UInt8($0) }
        let digits = text { text in all.withUnsafeBytes { Hex.append($0, to: &text) } }
        #expect(Hex.decode(digits) == all)
    }

    @Test("Base64, the examples of RFC 4648")
    func base64() {
        let examples = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==",
            "fooba": "Zm9vYmE=", "foobar": "Zm9vYmFy",
        ]
        for (plain, coded) in examples {
            let result = text { text in
                bytes(plain).withUnsafeBytes { Base64.append($0, to: &text) }
            }
            #expect(result == coded)
        }
        let high = text { text in
            [UInt8](arrayLiteral: 0xFF, 0xFE, 0xFB).withUnsafeBytes { Base64.append($0, to: &text) }
        }
        #expect(high == "//77")
    }

    @Test("JSON")
    func json() {
        let value = JSON.object([
            ("a", 1), ("b", .list([.flag(true), .null, .number(0.5), .number(.nan)])),
            ("c\"", "\u{1}\n\\ä\u{1F600}"),
        ])
        #expect(
            value.description
                == #"{"a":1,"b":[true,null,0.5,null],"c\"":"\u0001\n\\ä😀"}"#)
    }

    @Test("Shell words")
    func words() throws {
        func split(_ line: String) throws -> [String] {
            try ShellWords.split(bytes(line)[...]).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(try split("  put a\tb  ") == ["put", "a", "b"])
        #expect(try split("") == [] && split(" \r") == [])
        #expect(try split(#""a b" 'c d' "" ''"#) == ["a b", "c d", "", ""])
        #expect(try split(#""\x41\n\"\\\$" '\'\n'"#) == ["A\n\"\\$", "'\\n"])
        #expect(try split(#"a"b c" x"#) == ["ab c", "x"])
        // An escape that is none became a word that nobody had meant: the key `x4`.
        for wrong in [
            #"""#, #""a"#, #""a\"#, #""a\""#, "'a", #""a"b"#, "'a'b", #""a""b""#, #""\x4""#,
            #""\xzz""#, #""\x"#, #""\x4z""#, #""\q""#, #""\0""#, #""\u00e4""#,
        ] {
            #expect(throws: TextError.self, "\(wrong)") { try split(wrong) }
        }
        for byte in UInt8.min ... .max {
            var quoted: [UInt8] = []
            [byte, 32, byte].withUnsafeBytes { ShellWords.quote($0, into: &quoted) }
            #expect(try ShellWords.split(quoted[...]) == [[byte, 32, byte]])
            #expect(quoted.allSatisfy { (32...126).contains($0) })
        }
    }

    @Test("Escaped text keeps UTF-8 and shows everything else")
    func escaped() {
        func escape(_ bytes: [UInt8]) -> String {
            text { text in bytes.withUnsafeBytes { EscapedText.append($0, to: &text) } }
        }
        #expect(escape(bytes("plain ä€😀")) == "plain ä€😀")
        #expect(escape(bytes("\t\n\r\\\u{1B}\u{7F}")) == "\\t\\n\\r\\\\\\x1b\\x7f")
        #expect(escape([0xC2, 0x9B]) == "\\xc2\\x9b")
        let malformed: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0xFF],
        ]
        for bytes in malformed {
            #expect(escape(bytes) == bytes.map { "\\x" + String($0, radix: 16) }.joined())
            #expect(escape(bytes + [97]).hasSuffix("a"))
        }
    }

    @Test("A printable text has no control character, and is else what it was")
    func printable() {
        #expect(EscapedText.printable("plain \\ ä€😀") == "plain \\ ä€😀")
        #expect(EscapedText.printable("\t\n\u{1B}[m\u{7F}\u{9B}") == "\\t\\n\\x1b[m\\x7f\\xc2\\x9b")
        #expect(JSON.text("\u{7F}\u{9B}").description == "\"\\u007f\\u009b\"")
    }

    @Test("The nearest word, if it is near")
    func spelling() {
        let known = ["get", "put", "scan", "delete", "exists", "doctor"]
        for (wrong, right) in [
            ("gte", "get"), ("GET", "get"), ("scna", "scan"), ("delet", "delete"),
            ("exist", "exists"), ("docter", "doctor"),
        ] {
            #expect(Spelling.nearest(to: wrong, among: known) == right)
        }
        for far in ["", "notes", "frobnicate", "rm"] {
            #expect(Spelling.nearest(to: far, among: known) == nil, "\(far)")
        }
        #expect(Spelling.nearest(to: "get", among: []) == nil)
    }

    @Test("Lines, however the stream is cut")
    func lines() {
        let stream = bytes("one\n\nthree\nlast")
        for piece in 1...stream.count {
            var splitter = LineSplitter()
            var lines: [String] = []
            for start in stride(from: 0, to: stream.count, by: piece) {
                let end = min(start + piece, stream.count)
                stream[start..<end].withUnsafeBytes { splitter.append($0) }
                while let line = splitter.next() {
                    lines.append(String(decoding: line, as: UTF8.self))
                }
            }
            if let line = splitter.finish() { lines.append(String(decoding: line, as: UTF8.self)) }
            #expect(lines == ["one", "", "three", "last"], "pieces of \(piece)")
            #expect(splitter.finish() == nil)
        }
    }

    @Test("A dump is read back as it was written, in both formats", arguments: DumpFormat.allCases)
    func dumps(format: DumpFormat) throws {
        let writer = DumpWriter(format: format)
        var written: [UInt8] = []
        writer.appendHeader(database: nil, mapSize: 1 << 20, to: &written)
        var records: [([UInt8], [UInt8])] = []
        for byte in UInt8.min ... .max {
            let record = ([byte, 92, byte], byte == 0 ? [] : [UInt8](repeating: byte, count: 3))
            record.0.withUnsafeBytes { key in
                record.1.withUnsafeBytes { writer.append(key: key, value: $0, to: &written) }
            }
            records.append(record)
        }
        writer.appendEnd(to: &written)
        var parser = DumpParser()
        var found = 0
        for line in written.split(separator: 10, omittingEmptySubsequences: false) {
            guard try parser.parse(line) == .record else { continue }
            #expect(parser.key == records[found].0 && parser.value == records[found].1)
            found += 1
        }
        try parser.finish()
        #expect(found == 256)
    }

    @Test("Arbitrary lines make a parser throw or go on, never trap")
    func arbitrary() {
        var generator = Seeded(state: 5)
        let pieces = [
            "VERSION=3", "HEADER=END", "DATA=END", "format=print", "format=bytevalue", " 61", " ",
            "", " \\", " \\6", " \\\\", " 6", "=", "x", "type=btree", "\u{0}", "database=a=b",
        ].map(bytes)
        for _ in 0..<20_000 {
            var parser = DumpParser()
            if Bool.random(using: &generator) { _ = try? parser.parse(pieces[0][...]) }
            for _ in 0..<8 {
                let line = pieces.randomElement(using: &generator)!
                guard (try? parser.parse(line[...])) != nil else { break }
            }
            _ = try? parser.finish()
            let alphabet = bytes("\"'\\x4 anG\r")
            let line = (0..<12).map { _ in alphabet.randomElement(using: &generator)! }
            _ = try? ShellWords.split(line[...])
        }
    }

    @Test("The map size of a dump is enough for LMDB's worst case and no absurd number")
    func mapSize() {
        #expect(DumpFormat.mapSize(keys: 0, bytes: 0) >= 1 << 20)
        #expect(DumpFormat.mapSize(keys: 1000, bytes: 1 << 30) >= 4 << 30)
        #expect(DumpFormat.mapSize(keys: 1000, bytes: 1 << 30) < 8 << 30)
    }
}
