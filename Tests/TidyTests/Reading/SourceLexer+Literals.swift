extension SourceLexer {
    /// Reads a string literal. Opened with hashes, it is closed by a quote and as many of them, and
    /// a backslash counts only in front of as many.
    mutating func readLiteral(hashes: Int) {
        let first = line
        append(.literal, "")
        position += hashes
        let isMultiLine = language == .swift && opensMultiLine
        position += isMultiLine ? 3 : 1
        while position < bytes.count {
            switch peek() {
            case UInt8(ascii: "\n"):
                guard isMultiLine else { return reportOpenLiteral(first) }
                position += 1
                line += 1
            case UInt8(ascii: "\\") where hasHashes(hashes, at: 1):
                position += 1 + hashes
                readEscape()
            case UInt8(ascii: "\"") where isClosing(isMultiLine: isMultiLine, hashes: hashes):
                position += (isMultiLine ? 3 : 1) + hashes
                return
            default:
                position += 1
            }
        }
        reportOpenLiteral(first)
    }

    /// Three quotes open a literal of several lines only at the end of a line: in raw literals
    /// they may also be a literal of one quote.
    private var opensMultiLine: Bool {
        guard sees("\"\"\"") else { return false }
        var distance = 3
        while peek(distance) == UInt8(ascii: " ") { distance += 1 }
        return peek(distance) == UInt8(ascii: "\n")
    }

    private func isClosing(isMultiLine: Bool, hashes: Int) -> Bool {
        isMultiLine ? sees("\"\"\"") && hasHashes(hashes, at: 3) : hasHashes(hashes, at: 1)
    }

    private func hasHashes(_ count: Int, at distance: Int) -> Bool {
        (0..<count).allSatisfy { peek(distance + $0) == UInt8(ascii: "#") }
    }

    /// Reads what follows a backslash: the code of an interpolation, or one character.
    private mutating func readEscape() {
        if language == .swift && peek() == UInt8(ascii: "(") {
            readCode(untilParenthesis: true)
            return
        }
        if peek() == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    /// Reads a character literal of C.
    mutating func readCharacter() {
        append(.literal, "")
        position += 1
        while peek() != UInt8(ascii: "'") {
            guard peek() != UInt8(ascii: "\n") else { return reportOpenLiteral(line) }
            position += peek() == UInt8(ascii: "\\") ? 2 : 1
        }
        position += 1
    }

    private mutating func reportOpenLiteral(_ line: Int) {
        problems.append(Remark(text: "a literal that does not end", line: line))
    }
}
