/// A place where a rule does not hold.
struct Violation: Hashable, Comparable, CustomStringConvertible {
    let path: String
    /// Zero when the file as a whole is meant.
    let line: Int
    let rule: String
    let message: String

    var description: String { "\(path):\(line): \(rule): \(message)" }

    static func < (left: Violation, right: Violation) -> Bool {
        (left.path, left.line, left.rule, left.message)
            < (right.path, right.line, right.rule, right.message)
    }
}

/// A rule about the whole tree. There is no way to exempt a file from one.
protocol Rule {
    static var name: String { get }
    static func violations(in tree: SourceTree) -> [Violation]
}

enum Tidy {
    static var rules: [any Rule.Type] {
        [
            ReadingRule.self, RoomRule.self, ExtensionRule.self, FormatNameRule.self,
            BytePositionRule.self, LengthRule.self, ModuleRule.self, WordRule.self,
            InvariantRule.self, DocumentationRule.self,
        ]
    }

    static func violations(in tree: SourceTree) -> [Violation] {
        Set(rules.flatMap { $0.violations(in: tree) }).sorted()
    }

    /// What a failing test shows: the count, and as many lines as can be read.
    static func report(_ violations: [Violation], atMost limit: Int = 40) -> String {
        let counts = Dictionary(grouping: violations, by: \.rule)
            .map { "\($0.key) \($0.value.count)" }
        let left = violations.count > limit ? ["and \(violations.count - limit) more"] : []
        return
            (["\(violations.count) violations: \(counts.sorted().joined(separator: ", "))"]
            + violations.prefix(limit).map(\.description) + left).joined(separator: "\n")
    }
}

/// Every source can be read; a file that could not would be checked by no rule.
enum ReadingRule: Rule {
    static let name = "reading"

    static func violations(in tree: SourceTree) -> [Violation] {
        tree.files.flatMap { file in
            file.problems.map { file.violation(name, line: $0.line, $0.text) }
        }
    }
}
