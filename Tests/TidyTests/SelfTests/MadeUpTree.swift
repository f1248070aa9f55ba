import Testing

/// A tree in memory whose offenders are marked: `//! rooms` at the end of a line says that this
/// line breaks the rule called rooms; several rules are parted by commas.
struct MadeUpTree {
    private var texts = [
        "Sources/CPmem/include/cpmem_format.h": """
        #ifndef CPMEM_FORMAT_H
        #define CPMEM_LINE 64
        struct cpmem_record { uint64_t shape; };
        enum cpmem_record_kind { CPMEM_RECORD_PUT = 1 };
        #endif
        """,
        "Sources/CPmem/include/cpmem_record.h": """
        static inline uint64_t cpmem_shape(uint8_t kind) { return kind; }
        static inline bool cpmem_same_bytes(const void *a, const void *b) { return a == b; }
        """,
        "docs/crash-model.md": "- **I1** What holds.\n- **I12** What holds, too; see I3.\n",
    ]

    init(_ texts: [String: String]) {
        self.texts.merge(texts) { $1 }
    }

    /// Expects that the rules find what is marked, what is said about whole files, and no more.
    func expectOffenders(
        inFiles whole: [String] = [], _ location: SourceLocation = #_sourceLocation
    ) {
        let found = Tidy.violations(in: SourceTree(texts))
        let expected = texts.flatMap { path, text in
            text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap {
                number, line in
                line.split(separator: "//! ").dropFirst().flatMap { $0.split(separator: ", ") }
                    .map { "\(path):\(number + 1): \($0)" }
            }
        }
        let places = Set(found.map { "\($0.path):\($0.line): \($0.rule)" })
        let missed = Set(expected + whole).subtracting(places).sorted()
        let wrong = places.subtracting(expected + whole).sorted()
        #expect(missed == [], "not reported", sourceLocation: location)
        #expect(wrong == [], "reported", sourceLocation: location)
    }
}
