// Hexadecimal digits, as `--hex` and dumps write them: two a byte, lower case, nothing between.

package enum Hex {
    /// The value of a digit of either case; nil for another byte.
    @inline(__always)
    package static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }

    /// The digit of a value below 16.
    @inline(__always)
    package static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &+ value &- 10
    }

    package static func append(_ byte: UInt8, to text: inout [UInt8]) {
        text.append(digit(byte >> 4))
        text.append(digit(byte & 15))
    }

    package static func append(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        text.reserveCapacity(text.count + 2 * bytes.count)
        for byte in bytes { append(byte, to: &text) }
    }

    /// The bytes that the text stands for; nil for an odd number of digits or another character.
    package static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { digits in
            var bytes: [UInt8] = []
            return decode(UnsafeRawBufferPointer(digits), into: &bytes) ? bytes : nil
        }
    }

    /// Decodes the digits behind what is there; false, after a part of them perhaps, when they
    /// are no hexadecimal bytes.
    package static func decode(
        _ digits: UnsafeRawBufferPointer, into bytes: inout [UInt8]
    ) -> Bool {
        guard digits.count % 2 == 0 else { return false }
        bytes.reserveCapacity(bytes.count + digits.count / 2)
        var index = 0
        while index < digits.count {
            guard let high = value(digits[index]), let low = value(digits[index + 1])
            else { return false }
            bytes.append(high << 4 | low)
            index += 2
        }
        return true
    }
}
