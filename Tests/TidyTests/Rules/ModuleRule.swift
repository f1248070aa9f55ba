/// A module imports only modules below it, and a room only what its layer may know.
///
/// The table names every module of the package with Swift code in Sources, so that a new one has to
/// be given its place. What comes from outside the package is free, but for the rooms without I/O.
enum ModuleRule: Rule {
    static let name = "modules"

    private static let below: [String: Set<String>] = [
        "PmemPlaces": ["CPmem", "CLibPmem", "CZlib"],
        "PmemKV": ["CPmem", "CLibPmem", "PmemPlaces"],
        "PmemKVText": [],
        "PmemKVTesting": ["CPmem", "PmemPlaces", "PmemKV"],
        "pmemkv-crash": ["PmemPlaces", "PmemKV", "PmemKVTesting"],
        "pmemkv-cli": ["PmemPlaces", "PmemKV", "PmemKVText"],
    ]

    /// Where in the library a module may be imported, if not everywhere. Places are what media are
    /// on; the store names them in its face.
    private static let rooms: [String: Set<Room>] = [
        "CLibPmem": [.media],
        "PmemPlaces": [.media, .store],
        "Glibc": Set(Room.allCases).subtracting([.format, .log, .index]),
    ]

    static func violations(in tree: SourceTree) -> [Violation] {
        // The modules of the package are the folders of Sources.
        let project = Set(tree.files.compactMap(\.module)).union(below.keys)
        return tree.files.filter { $0.kind == .swift && $0.module != nil }.flatMap { file in
            imports(file.tokens).compactMap { imported, line in
                refusal(of: imported, in: file, project: project).map {
                    file.violation(name, line: line, $0)
                }
            }
        }
    }

    private static func refusal(
        of imported: String, in file: SourceFile, project: Set<String>
    ) -> String? {
        guard let allowed = below[file.module!] else {
            return "\(file.module!) has no place among the modules"
        }
        if project.contains(imported) && !allowed.contains(imported) {
            return "\(file.module!) imports \(imported)"
        }
        guard file.isLibrary, let room = file.room, let rooms = rooms[imported],
            !rooms.contains(room)
        else { return nil }
        return "\(room.rawValue) imports \(imported)"
    }

    /// The modules a file imports, whole or a declaration of them.
    private static func imports(_ tokens: [Token]) -> [(module: String, line: Int)] {
        let kinds = Declaration.typeKeywords.union(Declaration.codeKeywords)
        return tokens.indices.filter { tokens[$0].isWord("import") }.compactMap { index in
            let isOfOne = kinds.contains(tokens.at(index + 1)?.text ?? "")
            return tokens.at(index + (isOfOne ? 2 : 1)).map { ($0.text, tokens[index].line) }
        }
    }
}
