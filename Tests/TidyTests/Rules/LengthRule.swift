/// Files, functions and lines are short enough to be read at one go.
enum LengthRule: Rule {
    static let name = "length"

    static let fileLines = 500
    static let functionLines = 70
    static let columns = 100
    static let libraryMedian = 200

    static func violations(in tree: SourceTree) -> [Violation] {
        let sources = tree.files.filter { file in
            file.kind != .text
                && ["Sources/", "Tests/", "Benchmarks/"].contains { file.path.hasPrefix($0) }
        }
        return sources.flatMap { longFile($0) + longLines($0) + longFunctions($0) }
            + highMedian(tree.library)
    }

    private static func longFile(_ file: SourceFile) -> [Violation] {
        guard file.lines.count > fileLines else { return [] }
        let message = "\(file.lines.count) lines are more than \(fileLines)"
        return [file.violation(name, line: 0, message)]
    }

    private static func longLines(_ file: SourceFile) -> [Violation] {
        // Bytes are counted faster than characters, and there are never fewer of them.
        file.lines.enumerated().filter { $1.utf8.count > columns && $1.count > columns }.map {
            file.violation(
                name, line: $0 + 1, "\($1.count) columns are more than \(columns)")
        }
    }

    private static func longFunctions(_ file: SourceFile) -> [Violation] {
        let functions = file.kind == .c ? file.tokens.functionsOfC() : functionsOfSwift(file)
        return functions.compactMap { function in
            let lines = function.upperBound - function.lowerBound + 1
            guard lines > functionLines else { return nil }
            return file.violation(
                name, line: function.lowerBound,
                "a function of \(lines) lines is longer than \(functionLines)")
        }
    }

    /// The lines of each function, initialiser, subscript and property with a body.
    private static func functionsOfSwift(_ file: SourceFile) -> [ClosedRange<Int>] {
        file.outline.declarations.filter { $0.isCode && $0.hasBody }.map {
            $0.line...file.tokens[$0.tokens.upperBound - 1].line
        }
    }

    private static func highMedian(_ library: [SourceFile]) -> [Violation] {
        let lengths = library.map(\.lines.count).sorted()
        guard !lengths.isEmpty, lengths[lengths.count / 2] > libraryMedian else { return [] }
        return [
            Violation(
                path: "Sources/PmemKV", line: 0, rule: name,
                message: "half of the files have more than \(libraryMedian) lines")
        ]
    }
}

extension Array where Element == Token {
    /// The lines of each function of C or C++: of a brace behind a parameter list, from the begin
    /// of the declaration. Braces inside functions belong to them.
    func functionsOfC() -> [ClosedRange<Int>] {
        let qualifiers: Set = ["const", "noexcept", "override"]
        var functions: [ClosedRange<Int>] = []
        var beginning: Int?
        var header: Int?
        var depth = 0
        for (index, token) in enumerated() where !token.isDirective {
            if header == nil { header = token.line }
            if token.isSymbol("{") {
                var before = index - 1
                while let word = at(before)?.text, qualifiers.contains(word) { before -= 1 }
                if beginning == nil, isSymbol(")", at: before) {
                    beginning = header
                    depth = 0
                }
                depth += 1
            } else if token.isSymbol("}") {
                depth -= 1
                if let first = beginning, depth == 0 {
                    functions.append(first...token.line)
                    beginning = nil
                }
            }
            if [";", "{", "}"].contains(token.text) { header = nil }
        }
        return functions
    }
}
