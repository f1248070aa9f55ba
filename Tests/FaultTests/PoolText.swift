// Pools as text: the bytes of a medium, and what its keys and values have to be.
//
// The files lie in Tests/Pools. Bytes are written as hexadecimal digits; `6b*255` stands for so
// many equal ones. A line is one of
//
//     # a comment
//     size BYTES             the medium's
//     key BYTES              with the line behind it: a key, and the value it has to have
//     value BYTES
//     OFFSET BYTES           what stands there; the offset in hexadecimal digits
//
// and every byte of the medium that no line names is zero.

import Foundation

/// The bytes of a pool's medium, and the keys and values that have to be found in it.
struct PoolText: Equatable {
    var bytes: [UInt8]
    var contents: [[UInt8]: [UInt8]]

    private static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Pools")

    static func file(_ name: String) -> URL { folder.appending(path: name + ".txt") }

    init(named name: String) throws {
        self.init(parsing: try String(contentsOf: Self.file(name), encoding: .utf8))
    }

    init(bytes: [UInt8], contents: [[UInt8]: [UInt8]]) {
        self.bytes = bytes
        self.contents = contents
    }

    /// Traps on anything that is no such text.
    init(parsing text: String) {
        self.init(bytes: [], contents: [:])
        var key: [UInt8] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words[0] != "size" else {
                bytes = [UInt8](repeating: 0, count: Int(words[1])!)
                continue
            }
            let content = words.dropFirst().flatMap(Self.decode)
            switch words[0] {
            case "key": key = content
            case "value": contents[key] = content
            default:
                let offset = Int(words[0], radix: 16)!
                bytes.replaceSubrange(offset..<(offset + content.count), with: content)
            }
        }
    }

    private static func decode(_ word: Substring) -> [UInt8] {
        let parts = word.split(separator: "*")
        let digits = Array(parts[0])
        let bytes = stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)!
        }
        return parts.count == 1 ? bytes : [UInt8](repeating: bytes[0], count: Int(parts[1])!)
    }

    /// The text, under a heading whose lines become comments.
    func text(heading: String) -> String {
        var lines = heading.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.isEmpty ? "#" : "# \($0)"
        }
        lines.append("size \(bytes.count)")
        for (key, value) in contents.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            lines.append((["key"] + Self.pieces(key).map(\.text)).joined(separator: " "))
            lines.append((["value"] + Self.pieces(value).map(\.text)).joined(separator: " "))
        }
        for piece in Self.pieces(bytes) where !piece.isZeroes {
            let offset = String(piece.offset, radix: 16)
            let zeroes = String(repeating: "0", count: 8 - offset.count)
            lines.append("\(zeroes)\(offset) \(piece.withoutLastZeroes.text)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What stands together in the text: a row of 32 bytes, or rows of one byte alone.
    private struct Piece {
        let offset: Int
        var bytes: ArraySlice<UInt8>

        static let row = 32
        var isRun: Bool { bytes.count >= Self.row && bytes.allSatisfy { $0 == bytes.first } }
        var isZeroes: Bool { bytes.allSatisfy { $0 == 0 } }

        var withoutLastZeroes: Piece {
            let end = bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? bytes.startIndex
            return Piece(offset: offset, bytes: bytes[..<end])
        }

        var text: String {
            func digits(_ byte: UInt8) -> String {
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            return isRun ? "\(digits(bytes.first!))*\(bytes.count)" : bytes.map(digits).joined()
        }
    }

    private static func pieces(_ bytes: [UInt8]) -> [Piece] {
        var pieces: [Piece] = []
        for start in stride(from: 0, to: bytes.count, by: Piece.row) {
            let row = Piece(offset: start, bytes: bytes[start...].prefix(Piece.row))
            let longer = pieces.last.map { bytes[$0.offset..<row.bytes.endIndex] } ?? []
            let isLonger = !longer.isEmpty && longer.allSatisfy { $0 == longer.first }
            if isLonger, row.bytes.count == Piece.row {
                pieces[pieces.count - 1].bytes = longer
            } else {
                pieces.append(row)
            }
        }
        return pieces
    }
}
