import Testing

/// The rules about how long things are, at their limits.
@Suite struct LengthTests {
    private func lines(_ count: Int, _ line: String = "") -> String {
        String(repeating: line + "\n", count: count)
    }

    @Test func filesEndInTime() {
        MadeUpTree([
            "Tests/A.swift": lines(500), "Tests/B.swift": lines(501),
            "Benchmarks/C.c": lines(500) + "int last;", "docs/long.md": lines(600),
        ]).expectOffenders(inFiles: ["Tests/B.swift:0: length", "Benchmarks/C.c:0: length"])
    }

    @Test func linesEndInTime() {
        let wide = String(repeating: "ä", count: 97)
        MadeUpTree([
            "Tests/A.swift": "// \(wide)\n// \(wide)x",
            "Sources/CPmem/a.c": lines(1) + "// \(wide)x",
            "docs/long.md": "\(wide)\(wide)",
        ]).expectOffenders(inFiles: ["Tests/A.swift:2: length", "Sources/CPmem/a.c:2: length"])
    }

    @Test(arguments: [
        "func f(", "init(", "init?<T>(", "subscript(", "static func == (",
        "public static func f<T>(",
    ])
    func functionsEndInTime(head: String) {
        let member = { (count: Int) in
            "    \(head)\n        x: Int = { 1 }()\n    ) {\n\(self.lines(count - 4))    }\n"
        }
        MadeUpTree([
            "Tests/A.swift": "struct A {\n" + member(70) + "}\n",
            "Tests/B.swift": "struct B {\n    let x = 1\n" + member(71) + "}\n",
        ]).expectOffenders(inFiles: ["Tests/B.swift:3: length"])
    }

    @Test func propertiesEndInTime() {
        let property = { (count: Int) in
            "    var x: Int {\n        get {\n\(self.lines(count - 4))        }\n    }\n"
        }
        MadeUpTree([
            "Tests/A.swift": "struct A {\n" + property(70) + property(71) + "}\n",
            // A type is as long as its file may be.
            "Tests/B.swift": "struct B {\n" + lines(90, "    let x = [1]") + "}\n",
            "Tests/C.swift": "protocol C {\n    func f()\n" + lines(90, "    var x: Int { get }")
                + "}\n",
        ]).expectOffenders(inFiles: ["Tests/A.swift:72: length"])
    }

    @Test func bracesInTextEndNothing() {
        MadeUpTree([
            "Tests/A.swift": "func f() {\n    print(\"}\")  // }\n\(lines(68))}\nfunc g() {\n}\n"
        ]).expectOffenders(inFiles: ["Tests/A.swift:1: length"])
    }

    @Test func functionsOfCEndInTime() {
        let function = { (count: Int) in
            "static int f(\n    int a) {\n    if (a) {\n    }\n\(self.lines(count - 5))}\n"
        }
        let members = "    int g() const {\n\(lines(69))    }\n"
        MadeUpTree([
            "Sources/CPmem/a.c": "#define A(x) {\n" + function(70) + function(71),
            "Benchmarks/b.cpp": "namespace {\nclass B {\n  public:\n    B();\n\(members)};\n}\n",
            "Tests/c.h": "struct c {\n\(lines(90, "    char a;"))};\n",
        ]).expectOffenders(inFiles: [
            "Sources/CPmem/a.c:72: length", "Benchmarks/b.cpp:5: length",
        ])
    }

    @Test func halfOfTheLibraryIsShort() {
        let files = ["A": 100, "B": 200, "C": 500].map {
            ("Sources/PmemKV/Log/\($0).swift", lines($1))
        }
        var texts = Dictionary(uniqueKeysWithValues: files)
        MadeUpTree(texts).expectOffenders()
        texts["Sources/PmemKV/Log/B.swift"] = lines(201)
        MadeUpTree(texts).expectOffenders(inFiles: ["Sources/PmemKV:0: length"])
    }
}
