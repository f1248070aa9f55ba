import Testing

/// The tree as it is keeps its rules.
@Suite struct TidyTests {
    @Test func treeKeepsItsRules() throws {
        let tree = try SourceTree.ofPackage()
        // An empty tree would keep every rule.
        try #require(tree.library.count > 50)
        let violations = Tidy.violations(in: tree)
        if !violations.isEmpty { Issue.record(Comment(rawValue: Tidy.report(violations))) }
    }
}
