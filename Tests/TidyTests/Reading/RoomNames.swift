/// What the rooms of the library declare, and which of it a name in a file means.
struct RoomNames {
    /// A declaration at file level.
    struct Owner {
        let file: SourceFile
        let declaration: Declaration
    }

    /// By name.
    private(set) var owners: [String: [Owner]] = [:]
    /// The names declared inside a type, in its own braces and in those of its extensions: its
    /// nested types and its generic parameters. In there they hide what the rooms declare.
    private var hidden: [String: Set<String>] = [:]

    init(_ files: [SourceFile]) {
        for file in files {
            let declarations = file.outline.declarations
            for (number, declaration) in declarations.enumerated() where declaration.isTopLevel {
                if declaration.isType || ["func", "let", "var"].contains(declaration.keyword) {
                    owners[declaration.name, default: []].append(
                        Owner(file: file, declaration: declaration))
                }
                if declaration.isType || declaration.keyword == "extension" {
                    let type = String(declaration.name.prefix { $0 != "." })
                    hidden[type, default: []].formUnion(Self.inner(number, of: declarations))
                }
            }
        }
    }

    /// The generic parameters of a declaration and all types declared in it.
    private static func inner(_ number: Int, of declarations: [Declaration]) -> Set<String> {
        let outer = declarations[number]
        var names = Set(outer.genericNames)
        for declaration in declarations[(number + 1)...] {
            guard outer.tokens.contains(declaration.tokens.lowerBound) else { break }
            names.formUnion(declaration.genericNames)
            if declaration.isType { names.insert(declaration.name) }
        }
        return names
    }

    /// The declarations of other files that a name may mean: those it can see.
    func owners(of name: String, seenFrom file: SourceFile) -> [Owner] {
        let all = owners[name] ?? []
        guard !all.contains(where: { $0.file.path == file.path }) else { return [] }
        return all.filter { !$0.declaration.isFilePrivate }
    }

    /// The names in a file that mean something another file declares, with the index of the token.
    func uses(in file: SourceFile) -> [(index: Int, owners: [Owner])] {
        let declarations = file.outline.declarations
        let outer = declarations.indices.filter { declarations[$0].isTopLevel }
        var next = 0
        var hiddenHere: Set<String> = []
        var uses: [(index: Int, owners: [Owner])] = []
        let brackets = file.tokens.innermostBrackets()
        for (index, token) in file.tokens.enumerated() {
            if next < outer.count, declarations[outer[next]].tokens.lowerBound == index {
                let declaration = declarations[outer[next]]
                hiddenHere = Self.inner(outer[next], of: declarations)
                if !declaration.isCode {
                    hiddenHere.formUnion(
                        hidden[String(declaration.name.prefix { $0 != "." })] ?? [])
                }
                next += 1
            }
            guard token.isName, !token.isDirective, owners[token.text] != nil,
                !hiddenHere.contains(token.text),
                Self.isReference(file.tokens, index, bracket: brackets[index]),
                token.isCapitalised || !Self.declaresLocally(token.text, file.tokens)
            else { continue }
            let owners = owners(of: token.text, seenFrom: file)
            if !owners.isEmpty { uses.append((index, owners)) }
        }
        return uses
    }

    /// Whether a name stands for something declared elsewhere: it is no member of something, no
    /// enum case that is declared and no argument label.
    private static func isReference(_ tokens: [Token], _ index: Int, bracket: String) -> Bool {
        if tokens.isSymbol(".", at: index - 1) { return tokens.isWord("PmemKV", at: index - 2) }
        let isCase =
            tokens.isWord("case", at: index - 1) && !tokens.isSymbol(".", at: index + 1)
        let beginsArgument =
            tokens.isSymbol("(", at: index - 1) || tokens.isSymbol(",", at: index - 1)
        let isLabel = bracket == "(" && beginsArgument && tokens.isSymbol(":", at: index + 1)
        return !isCase && !isLabel
    }

    /// Whether a file has variables, functions or parameters of this name.
    private static func declaresLocally(_ name: String, _ tokens: [Token]) -> Bool {
        let introducers: Set = ["let", "var", "func", "case", "for"]
        return tokens.indices.contains { index in
            tokens[index].text == name
                && (introducers.contains(tokens.at(index - 1)?.text ?? "")
                    || tokens.isSymbol(":", at: index + 1) || tokens.isWord("in", at: index + 1))
        }
    }
}

extension Array where Element == Token {
    /// For each token the bracket it stands in; empty outside all.
    func innermostBrackets() -> [String] {
        var open = [""]
        return map { token in
            guard token.kind == .symbol else { return open.last! }
            if ["(", "[", "{"].contains(token.text) {
                defer { open.append(token.text) }
                return open.last!
            }
            if [")", "]", "}"].contains(token.text), open.count > 1 { open.removeLast() }
            return open.last!
        }
    }
}
