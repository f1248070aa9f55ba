/// Nothing in the tree is left for later: work that is to be done is not kept in comments.
enum WordRule: Rule {
    static let name = "words"

    private static let unwanted = ["TODO", "FIXME", "XXX"]

    /// In sources the text of literals is data and not meant; elsewhere everything is.
    static func violations(in tree: SourceTree) -> [Violation] {
        tree.files.flatMap { file in
            let found = file.remarks.flatMap { remark in
                unwanted.filter { remark.text.contains($0) && remark.words.contains($0[...]) }
                    .map { ($0, remark.line) }
            }
            let named = file.tokens.filter { $0.isName && unwanted.contains($0.text) }.map {
                ($0.text, $0.line)
            }
            return (found + named).map {
                file.violation(name, line: $1, "\($0) is left for later")
            }
        }
    }
}

/// An invariant that code cites by its number stands in the crash model.
enum InvariantRule: Rule {
    static let name = "invariants"

    private static let document = "docs/crash-model.md"

    static func violations(in tree: SourceTree) -> [Violation] {
        let defined = Set((tree.file(document)?.lines ?? []).flatMap(definitions))
        return tree.files.flatMap { file in
            file.comments.flatMap { comment in
                comment.words.filter { isNumber($0) && !defined.contains($0) }.map {
                    file.violation(name, line: comment.line, "\($0) is not in \(document)")
                }
            }
        }
    }

    /// The numbers a line of the document explains: those in bold.
    private static func definitions(_ line: Substring) -> [Substring] {
        line.split(separator: "**").filter(isNumber)
    }

    private static func isNumber(_ word: Substring) -> Bool {
        word.first == "I" && word.count > 1 && word.utf8.dropFirst().allSatisfy(\.isDigit)
    }
}

extension Remark {
    /// The words of the text, taken apart at all that is no letter, digit or underscore.
    var words: [Substring] {
        text.split { !($0.isASCII && $0.utf8.first!.isPartOfWord) }
    }
}
