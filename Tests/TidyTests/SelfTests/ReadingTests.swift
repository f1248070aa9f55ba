import Testing

/// Sources are split into code and the rest as the compilers do it.
@Suite struct ReadingTests {
    private func code(_ text: String, _ language: SourceLexer.Language = .swift) -> [String] {
        let lexer = SourceLexer(text, language: language)
        #expect(lexer.problems == [])
        return lexer.tokens.map { $0.kind == .literal ? "…" : $0.text }
    }

    @Test(arguments: [
        (#"a "b" c"#, ["a", "…", "c"]),
        (#"a "b \" c" d"#, ["a", "…", "d"]),
        (#"a "\\" b"#, ["a", "…", "b"]),
        (#""a \(b + "c \(d)") e" f"#, ["…", "(", "b", "+", "…", "(", "d", ")", ")", "f"]),
        (#""\(a(")"))" b"#, ["…", "(", "a", "(", "…", ")", ")", "b"]),
        (##"#"a " \(b) \#(c)"# d"##, ["…", "(", "c", ")", "d"]),
        (##"#"""# a"##, ["…", "a"]),
        (##"#"\"# a"##, ["…", "a"]),
        (
            "a \"\"\"\n  b \" c \"\" \\\"\"\" d \\(e) \\\n\n  \"\"\" f",
            ["a", "…", "(", "e", ")", "f"]
        ),
        ("#\"\"\"\n \"\"\" \\(a) \n\"\"\"# b", ["…", "b"]),
        ("a /* b /* c */ d */ e // f\ng", ["a", "e", "g"]),
        ("a \"// b\" c", ["a", "…", "c"]),
        ("`a` 0x1F 1.5 0..<2 $0.b", ["a", "0x1F", "1.5", "0", ".", ".", "<", "2", "$0", ".", "b"]),
    ])
    func swiftIsSplit(text: String, tokens: [String]) {
        #expect(code(text) == tokens)
    }

    @Test(arguments: [
        ("a /* b /* c */ d", ["a", "d"]),
        ("'\"' a '\\'' b", ["…", "a", "…", "b"]),
        ("\"a \\(b)\" c", ["…", "c"]),
        ("a \"b \\\n c\" d", ["a", "…", "d"]),
    ])
    func cIsSplit(text: String, tokens: [String]) {
        #expect(code(text, .c) == tokens)
    }

    @Test func linesAreCounted() {
        let text = "a /*\n*/ b \"\"\"\n  \\(c\n  ) \\\n  \"\"\" d\n// e\n"
        let lexer = SourceLexer(text, language: .swift)
        #expect(lexer.tokens.filter { $0.kind == .word }.map(\.line) == [1, 2, 3, 5])
        #expect(
            lexer.comments == [
                Remark(text: "/*", line: 1), Remark(text: "*/", line: 2),
                Remark(text: "// e", line: 6),
            ])
    }

    @Test func directivesAreMarked() {
        let swift = SourceLexer("#if A\nb\n#endif\n@Test(#line) c", language: .swift)
        #expect(swift.tokens.filter(\.isDirective).map(\.text) == ["#", "if", "A"])
        let c = SourceLexer("#define A \\\n b\nc\n  # if D\ne # f", language: .c)
        #expect(c.tokens.filter { !$0.isDirective }.map(\.text) == ["c", "e", "#", "f"])
    }

    @Test func whatCannotBeReadIsReported() {
        MadeUpTree([
            "Tests/A.swift": "let a = \"b //! reading\n", "Tests/B.swift": "/* a //! reading\n",
            "Tests/C.swift": "func a() {  //! reading\n", "Tests/D.swift": "a(]  //! reading\n",
            "Tests/E.c": "char a = 'b; //! reading\n",
            "Tests/F.swift": "let a = \"\"\" //! reading\nb",
        ]).expectOffenders()
    }

    @Test func declarationsAreFound() {
        let outline = Outline(
            of: SourceLexer(
                """
                @available(*, unavailable) public final class A<B, each C: D<E>>: F where B == C {
                    private(set) var g: E = .init({ 1 }())
                    private class func h<I>(init: Int, class: Int) -> J { self.init(k: 1) }
                    deinit {}
                    func local() { let k = 1; struct L {} }
                }
                fileprivate extension M.N { init?(_ o: Int) {} }
                typealias P = Q
                import struct R.S
                """, language: .swift
            ).tokens)
        let declarations = outline.declarations
        #expect(
            declarations.map { "\($0.keyword) \($0.name)" } == [
                "class A", "var g", "func h", "deinit deinit", "func local", "struct L",
                "extension M.N", "init init", "typealias P",
            ])
        #expect(declarations.filter(\.isTopLevel).map(\.name) == ["A", "M.N", "P"])
        #expect(declarations.filter(\.isFilePrivate).map(\.name) == ["h", "M.N"])
        #expect(declarations[0].genericNames == ["B", "C"])
        #expect(declarations[2].genericNames == ["I"])
    }

    @Test func reportIsShort() {
        let violations = (1...50).map {
            Violation(path: "Tests/A.swift", line: $0, rule: "length", message: "long")
        }
        let lines = Tidy.report(violations.shuffled().sorted()).split(separator: "\n")
        #expect(lines.count == 42)
        #expect(lines[0] == "50 violations: length 50")
        #expect(lines[1] == "Tests/A.swift:1: length: long")
        #expect(lines[41] == "and 10 more")
    }
}
