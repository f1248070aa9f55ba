/// A piece of code.
struct Token: Equatable {
    enum Kind {
        /// A keyword or a name.
        case word
        /// A name in backticks, without them: never a keyword.
        case escapedWord
        case number
        /// A string or character literal. Its text is left out; the code of its interpolations
        /// follows as tokens of its own.
        case literal
        /// One character of punctuation or of an operator.
        case symbol
    }

    let kind: Kind
    let text: String
    let line: Int
    /// Whether it is a preprocessor's, or belongs to the condition of a `#if`: it names no
    /// declaration and opens no bracket.
    let isDirective: Bool

    var isName: Bool { kind == .word || kind == .escapedWord }
    var isCapitalised: Bool { isName && text.first!.isUppercase }

    func isWord(_ word: String) -> Bool { kind == .word && text == word }
    func isSymbol(_ symbol: String) -> Bool { kind == .symbol && text == symbol }
}

/// A piece of text and where it stands. A comment of several lines is several of these.
struct Remark: Equatable {
    let text: String
    let line: Int
}

extension Array where Element == Token {
    /// The token at an index that may lie outside.
    func at(_ index: Int) -> Token? { indices.contains(index) ? self[index] : nil }

    func isSymbol(_ symbol: String, at index: Int) -> Bool { at(index)?.isSymbol(symbol) == true }

    func isWord(_ word: String, at index: Int) -> Bool { at(index)?.isWord(word) == true }
}
