/// Writes the text form of ``DumpFormat`` to the end of a byte array that the caller empties.
package struct DumpWriter: Sendable {
    package let format: DumpFormat

    package init(format: DumpFormat) { self.format = format }

    /// - Parameter database: its name, where the dump has several.
    package func appendHeader(database: String?, mapSize: Int, to text: inout [UInt8]) {
        let named = database.map { "database=\($0)\n" } ?? ""
        text.append(
            contentsOf: """
                VERSION=3
                format=\(format.rawValue)
                \(named)type=btree
                mapsize=\(mapSize)
                HEADER=END

                """.utf8)
    }

    package func append(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, to text: inout [UInt8]
    ) {
        appendLine(key, to: &text)
        appendLine(value, to: &text)
    }

    package func appendEnd(to text: inout [UInt8]) {
        text.append(contentsOf: DumpFormat.dataEnd)
        text.append(10)
    }

    private func appendLine(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        text.append(UInt8(ascii: " "))
        switch format {
        case .bytevalue: Hex.append(bytes, to: &text)
        case .print:
            for byte in bytes {
                // A backslash is written as its digits: LMDB before 0.9.25 misreads a doubled one.
                if (32...126).contains(byte), byte != UInt8(ascii: "\\") {
                    text.append(byte)
                } else {
                    text.append(UInt8(ascii: "\\"))
                    Hex.append(byte, to: &text)
                }
            }
        }
        text.append(10)
    }
}
