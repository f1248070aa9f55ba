/// A declaration of a Swift file.
struct Declaration {
    let keyword: String
    /// Of an extension, the path of the type it extends, parted by dots.
    let name: String
    let line: Int
    /// From the keyword to the closing brace, or to the next declaration.
    var tokens: Range<Int>
    /// Whether the declaration has a body that was read to its end.
    var hasBody = false
    /// Whether it stands in no other declaration.
    let isTopLevel: Bool
    let isFilePrivate: Bool
    let genericNames: [String]

    static let typeKeywords: Set = [
        "class", "struct", "enum", "protocol", "actor", "typealias", "associatedtype",
    ]
    /// What has code of its own, or a value.
    static let codeKeywords: Set = ["func", "init", "deinit", "subscript", "var", "let"]

    var isType: Bool { Self.typeKeywords.contains(keyword) }
    var isCode: Bool { Self.codeKeywords.contains(keyword) }
}

/// The declarations of a Swift file in their order, found by their keywords and by the brackets.
struct Outline {
    private(set) var declarations: [Declaration] = []
    private(set) var problems: [Remark] = []

    /// An open bracket, and the declaration whose body it begins.
    private struct Bracket {
        let closing: String
        let declaration: Int?
    }

    private var brackets: [Bracket] = []
    /// The declaration whose body may still begin, and how many brackets it stands in.
    private var pending: (declaration: Int, depth: Int)?
    /// Whether what is declared next is for its file alone.
    private var isFilePrivate = false

    private static let closings = ["(": ")", "[": "]", "{": "}"]

    init() {}

    init(of tokens: [Token]) {
        for index in tokens.indices where !tokens[index].isDirective {
            let token = tokens[index]
            if token.kind == .symbol {
                if let closing = Self.closings[token.text] {
                    open(closing, at: index, isBrace: token.text == "{")
                } else if [")", "]", "}"].contains(token.text) {
                    close(token, at: index)
                }
            } else if token.kind == .word {
                read(tokens, at: index)
            }
        }
        endPending(at: tokens.count)
        if !brackets.isEmpty {
            problems.append(Remark(text: "a bracket is not closed", line: tokens.last!.line))
        }
    }

    private mutating func open(_ closing: String, at index: Int, isBrace: Bool) {
        var body: Int?
        if let pending, isBrace, pending.depth == brackets.count {
            body = pending.declaration
            self.pending = nil
        }
        brackets.append(Bracket(closing: closing, declaration: body))
        if isBrace { isFilePrivate = false }
    }

    private mutating func close(_ token: Token, at index: Int) {
        guard let bracket = brackets.popLast(), bracket.closing == token.text else {
            problems.append(Remark(text: "brackets do not match", line: token.line))
            return
        }
        guard let body = bracket.declaration else { return }
        declarations[body].tokens = declarations[body].tokens.lowerBound..<index + 1
        declarations[body].hasBody = true
    }

    private mutating func endPending(at index: Int) {
        guard let pending else { return }
        let start = declarations[pending.declaration].tokens.lowerBound
        declarations[pending.declaration].tokens = start..<index
        self.pending = nil
    }

    /// Whether variables and initialisers may be declared here, and not only used.
    private var isAmongMembers: Bool {
        guard let bracket = brackets.last else { return true }
        guard let owner = bracket.declaration.map({ declarations[$0] }) else { return false }
        return owner.isType || owner.keyword == "extension"
    }

    private mutating func read(_ tokens: [Token], at index: Int) {
        let word = tokens[index].text
        guard brackets.last?.closing ?? "}" == "}" else { return }
        if word == "private" || word == "fileprivate" {
            isFilePrivate = isFilePrivate || !tokens.isSymbol("(", at: index + 1)
        }
        guard !tokens.isSymbol(".", at: index - 1), !tokens.isWord("import", at: index - 1),
            let name = Self.declaredName(tokens, at: index),
            isAmongMembers || ["func", "extension"].contains(word)
                || Declaration.typeKeywords.contains(word)
        else { return }
        endPending(at: index)
        declarations.append(
            Declaration(
                keyword: word, name: name, line: tokens[index].line, tokens: index..<index + 1,
                isTopLevel: brackets.allSatisfy { $0.declaration == nil },
                isFilePrivate: isFilePrivate,
                genericNames: Self.genericNames(tokens, behind: index)))
        pending = (declarations.count - 1, brackets.count)
        isFilePrivate = false
    }

    /// What the keyword at this index declares; nil when it is no keyword of a declaration.
    private static func declaredName(_ tokens: [Token], at index: Int) -> String? {
        let word = tokens[index].text
        guard let next = tokens.at(index + 1) else { return nil }
        switch word {
        case "init", "subscript":
            return ["(", "<", "?", "!"].contains(next.text) ? word : nil
        case "deinit":
            return word
        case "func":
            return next.text
        case "extension":
            var path = [next.text]
            while tokens.isSymbol(".", at: index + 2 * path.count), next.isName,
                let part = tokens.at(index + 2 * path.count + 1)
            {
                path.append(part.text)
            }
            if path.count > 1 && path[0] == "PmemKV" { path.removeFirst() }
            return path.joined(separator: ".")
        case "actor":
            // A name that only sometimes is a keyword.
            return next.isCapitalised ? next.text : nil
        case _ where Declaration.typeKeywords.contains(word) || word == "var" || word == "let":
            let isModifier = next.kind == .word && Declaration.codeKeywords.contains(next.text)
            return next.isName && !isModifier ? next.text : nil
        default:
            return nil
        }
    }

    /// The names in the angle brackets behind a declaration's name.
    private static func genericNames(_ tokens: [Token], behind index: Int) -> [String] {
        let isOperator = tokens[index].text == "func" && !tokens[index + 1].isName
        guard !isOperator, tokens[index].text != "extension" else { return [] }
        var position = index + 1
        if tokens[position].isName { position += 1 }
        while tokens.isSymbol("?", at: position) || tokens.isSymbol("!", at: position) {
            position += 1
        }
        guard tokens.isSymbol("<", at: position) else { return [] }
        var names: [String] = []
        var depth = 0
        repeat {
            let token = tokens[position]
            let before = tokens[position - 1]
            if token.isSymbol("<") { depth += 1 }
            if token.isSymbol(">") && !before.isSymbol("-") { depth -= 1 }
            let isFirst = before.isSymbol("<") || before.isSymbol(",") || before.isWord("each")
            if token.isCapitalised && isFirst && depth == 1 { names.append(token.text) }
            position += 1
        } while depth > 0 && position < tokens.count
        return names
    }
}
