/// Text that does not follow its format.
package struct TextError: Error, Equatable, CustomStringConvertible {
    /// The line, counted from 1; nil when the text has no lines.
    package let line: Int?
    package let message: String

    package init(line: Int? = nil, _ message: String) {
        self.line = line
        self.message = message
    }

    package var description: String { line.map { "line \($0): \(message)" } ?? message }
}
