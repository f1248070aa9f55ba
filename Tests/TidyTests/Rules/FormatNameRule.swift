/// The structures of the medium, their constants, and the functions that pack bits into their words
/// are named in Format only: all other code asks Format, by names that mean something.
///
/// The names are read from the C headers, so that a new structure is covered at once. In
/// cpmem_format.h all names of the project are meant; in cpmem_record.h the functions that return
/// an integer of a fixed width, as a word or a part of one is.
enum FormatNameRule: Rule {
    static let name = "format names"

    private static let headers = "Sources/CPmem/include/"
    private static let widths: Set = ["uint8_t", "uint16_t", "uint32_t", "uint64_t"]

    static func violations(in tree: SourceTree) -> [Violation] {
        let paths = ["cpmem_format.h", "cpmem_record.h"].map { headers + $0 }
        let found = paths.map { tree.file($0)?.tokens ?? [] }
        let names = [structureNames(found[0]), packingNames(found[1])]
        let blind = zip(paths, names).filter { $1.isEmpty }.map {
            Violation(path: $0.0, line: 0, rule: name, message: "no names of the format are here")
        }
        let all = names[0].union(names[1])
        return blind
            + tree.files.filter(mayNotName).flatMap { file in
                file.tokens.filter { $0.isName && all.contains($0.text) }.map {
                    file.violation(name, line: $0.line, "\($0.text) is named outside Format")
                }
            }
    }

    private static func mayNotName(_ file: SourceFile) -> Bool {
        file.isLibrary && file.room != .format || file.kind == .swift && file.module == "PmemPlaces"
    }

    private static func structureNames(_ tokens: [Token]) -> Set<String> {
        Set(
            tokens.filter {
                $0.isName && ($0.text.hasPrefix("cpmem_") || $0.text.hasPrefix("CPMEM_"))
                    && !$0.text.hasSuffix("_H")
            }.map(\.text))
    }

    private static func packingNames(_ tokens: [Token]) -> Set<String> {
        Set(
            tokens.indices.filter {
                tokens[$0].isName && tokens.isSymbol("(", at: $0 + 1)
                    && widths.contains(tokens.at($0 - 1)?.text ?? "")
            }.map { tokens[$0].text })
    }
}
