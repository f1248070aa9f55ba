import ArgumentParser
import Foundation

/// What `kv` and `io` share: a table goes to standard output, every figure to a file on request,
/// and what is going on to standard error.
struct OutputOptions: ParsableArguments {
    @Option(help: "Write every figure to this file as JSON.")
    var json: String?

    /// A long run must not end in a file that cannot be written.
    func validate() throws {
        guard let json else { return }
        let directory = URL(fileURLWithPath: json).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: directory) else {
            throw ValidationError("--json \(json): no file can be made in \(directory)")
        }
    }

    func publish(_ report: some Encodable, table: String) throws {
        print(table)
        if let json { try JSONFile.write(report, to: json) }
    }

    @Sendable
    static func say(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
