import PmemPlaces
import SystemPackage

/// Where a pool is, or is to be. A path is bytes, and most are text as well.
package struct PoolPath: Sendable {
    package let path: FilePath
    /// The path as messages have it.
    package let shown: String
    /// The path as it was given; FilePath leaves out a slash at the end.
    private let text: String?

    package init(_ text: String) throws(StoreError) {
        guard !text.utf8.contains(0) else {
            throw StoreError(.invalidArgument, "a path has no zero byte in it")
        }
        self.text = text
        path = FilePath(text)
        shown = text
    }

    package init(_ path: FilePath) {
        self.path = path
        text = String(validating: path)
        shown = path.shown
    }

    /// Whether no file can have this path.
    var namesDirectory: Bool { text?.hasSuffix("/") ?? false }

    func inspect() -> PlaceFacts {
        if let text { return .inspect(path: text) }
        return .inspect(path: path)
    }

    /// A path, as messages have it, as one word of a command to paste. For the rooms that know
    /// nothing of places.
    static func shellWord(_ shown: String) -> String { shown.shellWord }

    /// The path of the file itself, links followed, where there is one.
    var resolved: FilePath { path.resolvingLinks() ?? path }
}
