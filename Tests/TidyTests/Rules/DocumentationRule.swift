/// A link of the documentation to a type of the library, or to a member of one, leads to something
/// that is there. Links that begin with a small letter are for the compiler of the documentation.
enum DocumentationRule: Rule {
    static let name = "documentation"

    static func violations(in tree: SourceTree) -> [Violation] {
        let declaring = tree.files.filter { ["PmemKV", "PmemPlaces"].contains($0.module) }
        let documented = tree.files.filter { $0.module == "PmemKV" }
        let types = Types(declaring)
        return documented.flatMap { file in
            file.remarks.flatMap { remark in
                links(in: remark.text).filter { !types.resolve($0) }.map {
                    file.violation(name, line: remark.line, "``\($0)`` leads nowhere")
                }
            }
        }
    }

    /// What stands between two backticks and two more, if it begins like a type.
    private static func links(in text: String) -> [Substring] {
        guard text.contains("``") else { return [] }
        let parts = text.split(separator: "``", omittingEmptySubsequences: false)
        let quoted = parts.enumerated().filter { $0.offset % 2 == 1 && $0.offset + 1 < parts.count }
        return quoted.map(\.element).filter { $0.first?.isUppercase == true }
    }
}

/// The types of some files, nested ones too, and the words in them.
private struct Types {
    private var words: [Substring: Set<String>] = [:]

    init(_ files: [SourceFile]) {
        for file in files {
            for declaration in file.outline.declarations
            where declaration.isType || declaration.keyword == "extension" {
                let name = Substring(declaration.name).split(separator: ".").last ?? ""
                let inside = file.tokens[declaration.tokens].filter(\.isName).map(\.text)
                words[name, default: []].formUnion(inside)
            }
            if let module = file.module { words[Substring(module), default: []] = [] }
        }
    }

    /// Whether the first part of a link is a type, and each further one is named in it.
    func resolve(_ link: Substring) -> Bool {
        let parts = link.split(separator: "/").map { $0.prefix { $0 != "(" } }
        guard var owner = parts.first, words[owner] != nil else { return false }
        for part in parts.dropFirst() {
            guard words[owner]?.contains(String(part)) == true else { return false }
            owner = part
        }
        return true
    }
}
