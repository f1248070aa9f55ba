import Foundation

/// A room of the library or of PmemPlaces, in each from the lowest layer to the highest.
enum Room: String, CaseIterable, Comparable {
    case facts = "Facts"
    case durability = "Durability"
    case doctor = "Doctor"
    case support = "Support"
    case format = "Format"
    case media = "Media"
    case log = "Log"
    case index = "Index"
    case space = "Space"
    case recovery = "Recovery"
    case store = "Store"

    var module: String {
        [.facts, .durability, .doctor].contains(self) ? "PmemPlaces" : "PmemKV"
    }

    static func < (left: Room, right: Room) -> Bool {
        allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
    }
}

/// A text file of the project, read once for all rules.
struct SourceFile {
    enum Kind { case swift, c, text }

    /// From the root of the package.
    let path: String
    let kind: Kind
    /// The module the file belongs to: a folder of Sources.
    let module: String?
    /// The room of a file of the library or of PmemPlaces; nil outside the rooms.
    let room: Room?
    let lines: [Substring]
    let tokens: [Token]
    let comments: [Remark]
    let outline: Outline
    let problems: [Remark]

    init(path: String, text: String) {
        self.path = path
        kind =
            switch (path as NSString).pathExtension {
            case "swift": .swift
            case "c", "h", "cpp", "hpp": .c
            default: .text
            }
        let parts = path.split(separator: "/").map(String.init)
        module = parts.count > 2 && parts[0] == "Sources" ? parts[1] : nil
        let folder = parts.count > 3 ? Room(rawValue: parts[2]) : nil
        room = folder?.module == module ? folder : nil
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
        guard kind != .text else {
            tokens = []
            comments = []
            outline = Outline()
            problems = []
            return
        }
        let lexer = SourceLexer(text, language: kind == .swift ? .swift : .c)
        tokens = lexer.tokens
        comments = lexer.comments
        outline = kind == .swift ? Outline(of: lexer.tokens) : Outline()
        problems = lexer.problems + outline.problems
    }

    /// Whether it is Swift code of the library.
    var isLibrary: Bool { kind == .swift && module == "PmemKV" }

    /// What the file says to its readers: the comments of a source, the lines of another text.
    var remarks: [Remark] {
        guard kind == .text else { return comments }
        return lines.enumerated().map { Remark(text: String($1), line: $0 + 1) }
    }

    func violation(_ rule: String, line: Int, _ message: String) -> Violation {
        Violation(path: path, line: line, rule: rule, message: message)
    }
}

/// The files a set of rules is held against: the project's, or made-up ones.
struct SourceTree {
    let files: [SourceFile]

    init(_ texts: [String: String]) {
        files = texts.sorted { $0.key < $1.key }.map { SourceFile(path: $0.key, text: $0.value) }
    }

    /// The sources, documents and scripts of the package this file belongs to.
    static func ofPackage() throws -> SourceTree {
        var root = URL(filePath: #filePath)
        while !FileManager.default.fileExists(atPath: root.appending(path: "Package.swift").path) {
            guard root.path != "/" else { throw CocoaError(.fileNoSuchFile) }
            root.deleteLastPathComponent()
        }
        var paths = try FileManager.default.contentsOfDirectory(atPath: root.path)
            .filter { $0.hasSuffix(".md") }
        for folder in ["Sources", "Tests", "Benchmarks", "docs", "scripts"] {
            let names = FileManager.default.enumerator(
                at: root.appending(path: folder), includingPropertiesForKeys: nil,
                options: [.skipsHiddenFiles])
            for case let file as URL in names! {
                paths.append(String(file.path.dropFirst(root.path.count + 1)))
            }
        }
        var texts: [String: String] = [:]
        for path in paths {
            let data = FileManager.default.contents(atPath: root.appending(path: path).path)
            // A folder has no contents, and what is no text has nothing to say.
            texts[path] = data.flatMap { String(data: $0, encoding: .utf8) }
        }
        return SourceTree(texts)
    }

    /// The Swift files of the library.
    var library: [SourceFile] { files.filter(\.isLibrary) }

    /// The Swift files of PmemPlaces.
    var places: [SourceFile] { files.filter { $0.kind == .swift && $0.module == "PmemPlaces" } }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}
