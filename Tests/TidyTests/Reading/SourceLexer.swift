/// Splits a source file into code and comments, and leaves out what stands in literals.
///
/// Invariants:
/// - Every byte belongs to exactly one token, comment, literal or gap.
/// - What cannot be read is told in `problems`, so that no rule is blind without anyone noticing.
///   Regular expression literals are such a case: the sources have none.
struct SourceLexer {
    enum Language { case swift, c }

    let language: Language
    let bytes: [UInt8]
    var position = 0
    var line = 1
    private var isInDirective = false
    private(set) var tokens: [Token] = []
    private(set) var comments: [Remark] = []
    var problems: [Remark] = []

    init(_ text: String, language: Language) {
        self.language = language
        bytes = Array(text.utf8)
        readCode(untilParenthesis: false)
    }

    /// The byte this far behind the position; a line end behind the last one.
    func peek(_ distance: Int = 0) -> UInt8 {
        let index = position + distance
        return index < bytes.count ? bytes[index] : UInt8(ascii: "\n")
    }

    func sees(_ text: StaticString, at distance: Int = 0) -> Bool {
        let start = position + distance
        guard start + text.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[start + $0] == text.utf8Start[$0] }
    }

    mutating func append(_ kind: Token.Kind, _ text: String) {
        tokens.append(Token(kind: kind, text: text, line: line, isDirective: isInDirective))
    }

    /// Reads up to the end of the file, or to the parenthesis that ends an interpolation.
    mutating func readCode(untilParenthesis: Bool) {
        var depth = 0
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\n"):
                endLine()
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
                position += 1
            case UInt8(ascii: "/") where sees("//"):
                readLineComment()
            case UInt8(ascii: "/") where sees("/*"):
                readBlockComment()
            case UInt8(ascii: "\""):
                readLiteral(hashes: 0)
            case UInt8(ascii: "'") where language == .c:
                readCharacter()
            case UInt8(ascii: "`"):
                readEscapedWord()
            case UInt8(ascii: "#"):
                readHash()
            case let byte where byte.isPartOfWord:
                readWord()
            default:
                append(.symbol, String(UnicodeScalar(byte)))
                position += 1
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") { depth -= 1 }
                if untilParenthesis && depth == 0 { return }
            }
        }
    }

    private mutating func endLine() {
        let isContinued = position > 0 && bytes[position - 1] == UInt8(ascii: "\\")
        if !isContinued { isInDirective = false }
        position += 1
        line += 1
    }

    private mutating func readLineComment() {
        let start = position
        while peek() != UInt8(ascii: "\n") { position += 1 }
        comments.append(Remark(text: text(from: start), line: line))
    }

    /// Block comments nest in Swift.
    private mutating func readBlockComment() {
        let first = line
        var start = position
        var depth = 0
        repeat {
            if sees("*/") {
                depth -= 1
                position += 2
            } else if sees("/*") && (depth == 0 || language == .swift) {
                depth += 1
                position += 2
            } else {
                if peek() == UInt8(ascii: "\n") {
                    comments.append(Remark(text: text(from: start), line: line))
                    line += 1
                    start = position + 1
                }
                position += 1
            }
        } while depth > 0 && position < bytes.count
        comments.append(Remark(text: text(from: start), line: line))
        if depth > 0 {
            problems.append(Remark(text: "a comment that does not end", line: first))
        }
    }

    private mutating func readEscapedWord() {
        let start = position + 1
        repeat { position += 1 } while peek() != UInt8(ascii: "`") && peek() != UInt8(ascii: "\n")
        append(.escapedWord, text(from: start))
        position += 1
    }

    /// A raw literal, a directive, or a macro's or an attribute's sign.
    private mutating func readHash() {
        var hashes = 1
        while peek(hashes) == UInt8(ascii: "#") { hashes += 1 }
        if language == .swift && peek(hashes) == UInt8(ascii: "\"") {
            readLiteral(hashes: hashes)
            return
        }
        switch language {
        case .c: isInDirective = isInDirective || tokens.last?.line != line
        case .swift: isInDirective = sees("#if ") || sees("#elseif ")
        }
        append(.symbol, "#")
        position += 1
    }

    private mutating func readWord() {
        let start = position
        let isNumber = peek() >= UInt8(ascii: "0") && peek() <= UInt8(ascii: "9")
        while position < bytes.count {
            let isFraction = isNumber && peek() == UInt8(ascii: ".") && peek(1).isDigit
            guard peek().isPartOfWord || isFraction else { break }
            position += 1
        }
        append(isNumber ? .number : .word, text(from: start))
    }

    private func text(from start: Int) -> String {
        String(decoding: bytes[start..<min(position, bytes.count)], as: UTF8.self)
    }
}

extension UInt8 {
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    var isPartOfWord: Bool {
        isDigit || self >= 0x80 || self == UInt8(ascii: "_") || self == UInt8(ascii: "$")
            || (self | 0x20 >= UInt8(ascii: "a") && self | 0x20 <= UInt8(ascii: "z"))
    }
}
