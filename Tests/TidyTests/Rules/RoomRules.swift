/// The library and PmemPlaces stand in their rooms, and a room names what it declares itself and
/// what the rooms below it declare.
enum RoomRule: Rule {
    static let name = "rooms"

    static func violations(in tree: SourceTree) -> [Violation] {
        [tree.library, tree.places].flatMap { files in
            let names = RoomNames(files)
            return files.flatMap { homeless($0) + upward($0, names) + twice($0, names) }
        }
    }

    private static func homeless(_ file: SourceFile) -> [Violation] {
        file.room == nil ? [file.violation(name, line: 0, "the file stands in no room")] : []
    }

    /// Names of higher rooms. Code outside the rooms counts as above all of them.
    private static func upward(_ file: SourceFile, _ names: RoomNames) -> [Violation] {
        guard let room = file.room else { return [] }
        return names.uses(in: file).compactMap { index, owners in
            let isBelow = owners.contains { $0.file.room.map { $0 <= room } ?? false }
            guard !isBelow else { return nil }
            let token = file.tokens[index]
            let owner = owners.compactMap(\.file.room).min()?.rawValue ?? "a file outside the rooms"
            return file.violation(
                name, line: token.line, "\(room.rawValue) names \(token.text) of \(owner)")
        }
    }

    /// Names that another room declares too, whichever a reader would mean by them.
    private static func twice(_ file: SourceFile, _ names: RoomNames) -> [Violation] {
        file.outline.declarations.filter { $0.isTopLevel && !$0.isFilePrivate }
            .compactMap { declaration in
                guard declaration.keyword != "extension" else { return nil }
                let others = (names.owners[declaration.name] ?? []).filter {
                    !$0.declaration.isFilePrivate && $0.file.room != file.room
                }
                guard let other = others.first else { return nil }
                return file.violation(
                    name, line: declaration.line,
                    "\(declaration.name) is declared in \(other.file.path) too")
            }
    }
}

/// A type of the library is extended in its own room only. So all that a type can do is found in
/// one folder, and no room adds to a lower one what only it understands.
enum ExtensionRule: Rule {
    static let name = "extensions"

    static func violations(in tree: SourceTree) -> [Violation] {
        let names = RoomNames(tree.library)
        return tree.library.flatMap { file in
            file.outline.declarations.filter { $0.keyword == "extension" }
                .compactMap { declaration in
                    let type = String(declaration.name.prefix { $0 != "." })
                    guard let owner = names.owners(of: type, seenFrom: file).first,
                        owner.file.room != file.room
                    else { return nil }
                    let home = owner.file.room?.rawValue ?? "a file outside the rooms"
                    return file.violation(
                        name, line: declaration.line,
                        "\(file.room?.rawValue ?? "no room") extends \(type) of \(home)")
                }
        }
    }
}
