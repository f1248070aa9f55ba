/// Bytes as text on one line for people: UTF-8 as it is, anything a terminal could mistake for a
/// command escaped.
///
/// `\\`, `\t`, `\n`, `\r` and `\xNN` (control characters, bytes that are no UTF-8) stand for
/// bytes; so a tab or a newline of the output is always a separator.
package enum EscapedText {
    package static func append(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        var rest = bytes[...]
        while let byte = rest.first {
            let length = sequenceLength(rest)
            switch byte {
            case UInt8(ascii: "\\"): text.append(contentsOf: "\\\\".utf8)
            case 9: text.append(contentsOf: "\\t".utf8)
            case 10: text.append(contentsOf: "\\n".utf8)
            case 13: text.append(contentsOf: "\\r".utf8)
            case 32..<127: text.append(byte)
            case 128... where length > 0: text.append(contentsOf: rest.prefix(length))
            default:
                text.append(contentsOf: "\\x".utf8)
                Hex.append(byte, to: &text)
            }
            rest = rest.dropFirst(max(1, length))
        }
    }

    /// A text for people with its control characters escaped, line ends too; everything else, the
    /// backslash included, stays. For whatever holds words that came from outside.
    package static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            guard isControl(scalar) else {
                result.unicodeScalars.append(scalar)
                continue
            }
            var escaped: [UInt8] = []
            Array(String(scalar).utf8).withUnsafeBytes { append($0, to: &escaped) }
            result += String(decoding: escaped, as: UTF8.self)
        }
        return result
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control
    }

    /// The length of the well-formed UTF-8 sequence of a printable scalar that begins here, and
    /// 0 when none does. C1 control characters do not count as printable.
    private static func sequenceLength(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        let lead = bytes[bytes.startIndex]
        let length =
            switch lead {
            case ..<0x80: 1
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 0
            }
        guard length > 1, bytes.count >= length else { return length == 1 ? 1 : 0 }
        let continuation = bytes.dropFirst().prefix(length - 1)
        guard continuation.allSatisfy({ $0 & 0xC0 == 0x80 }) else { return 0 }
        let second = continuation[continuation.startIndex]
        switch lead {
        case 0xC2: return second < 0xA0 ? 0 : length
        case 0xE0: return second < 0xA0 ? 0 : length
        case 0xED: return second > 0x9F ? 0 : length
        case 0xF0: return second < 0x90 ? 0 : length
        case 0xF4: return second > 0x8F ? 0 : length
        default: return length
        }
    }
}
