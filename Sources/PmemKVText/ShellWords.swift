/// The words of a shell line and the quoting of a reply, as in redis-cli.
///
/// Words are separated by blanks. In double quotes `\xNN`, `\n`, `\r`, `\t`, `\b`, `\a` stand for
/// bytes and a character that is neither letter nor digit for itself behind a backslash; others are
/// refused there, as they would become another word than was meant. In single quotes only `\'` is
/// more than what it is.
/// A closing quote ends the word. What ``quote(_:into:)`` writes, ``split(_:)`` reads back.
package enum ShellWords {
    /// The words of a line; keys and values are bytes, so words are, too.
    package static func split(_ line: ArraySlice<UInt8>) throws(TextError) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var rest = line
        while true {
            rest = rest.drop(while: isBlank)
            guard !rest.isEmpty else { return words }
            words.append(try word(&rest))
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (9...13).contains(byte) || byte == 0
    }

    private static func word(_ rest: inout ArraySlice<UInt8>) throws(TextError) -> [UInt8] {
        var word: [UInt8] = []
        while let byte = rest.first, !isBlank(byte) {
            rest.removeFirst()
            switch byte {
            case UInt8(ascii: "\""):
                try doubleQuoted(&rest, &word)
                return try endOfQuoted(word, rest)
            case UInt8(ascii: "'"):
                try singleQuoted(&rest, &word)
                return try endOfQuoted(word, rest)
            default: word.append(byte)
            }
        }
        return word
    }

    private static func endOfQuoted(
        _ word: [UInt8], _ rest: ArraySlice<UInt8>
    ) throws(TextError) -> [UInt8] {
        guard rest.first.map(isBlank) ?? true else {
            throw TextError("a blank must follow a closing quote")
        }
        return word
    }

    private static func doubleQuoted(
        _ rest: inout ArraySlice<UInt8>, _ word: inout [UInt8]
    ) throws(TextError) {
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return }
            guard byte == UInt8(ascii: "\\") else {
                word.append(byte)
                continue
            }
            guard let escaped = rest.popFirst() else { break }
            if escaped == UInt8(ascii: "x") {
                guard let high = rest.popFirst().flatMap(Hex.value),
                    let low = rest.popFirst().flatMap(Hex.value)
                else { throw TextError("two hexadecimal digits must follow \\x") }
                word.append(high << 4 | low)
            } else {
                word.append(try unescaped(escaped))
            }
        }
        throw TextError("unbalanced quotes")
    }

    private static func singleQuoted(
        _ rest: inout ArraySlice<UInt8>, _ word: inout [UInt8]
    ) throws(TextError) {
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "'") { return }
            if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "'") {
                word.append(rest.removeFirst())
            } else {
                word.append(byte)
            }
        }
        throw TextError("unbalanced quotes")
    }

    private static func unescaped(_ letter: UInt8) throws(TextError) -> UInt8 {
        switch letter {
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "a"): 7
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            throw TextError(
                "unknown escape \\\(Character(Unicode.Scalar(letter))); there are \\xNN, \\n, \\r, "
                    + "\\t, \\b, \\a, \\\" and \\\\")
        default: letter
        }
    }

    /// Appends the bytes as a double-quoted word of printable ASCII.
    package static func quote(_ bytes: UnsafeRawBufferPointer, into text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case 10: text.append(contentsOf: "\\n".utf8)
            case 13: text.append(contentsOf: "\\r".utf8)
            case 9: text.append(contentsOf: "\\t".utf8)
            case 8: text.append(contentsOf: "\\b".utf8)
            case 7: text.append(contentsOf: "\\a".utf8)
            case 32...126: text.append(byte)
            default:
                text.append(contentsOf: "\\x".utf8)
                Hex.append(byte, to: &text)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
