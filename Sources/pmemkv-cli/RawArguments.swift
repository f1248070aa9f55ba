import ArgumentParser
import Glibc
import PmemKV
import SystemPackage

/// Arguments that are no text. Swift would replace what is wrong in them, and so change a key or
/// lead to another file.
///
/// The path of a file may be any bytes. The parser of arguments takes text alone, so each such
/// argument goes through it as a mark that ``PoolPath`` knows again; where text is wanted none of
/// them may be left.
enum RawArguments {
    /// Begins the mark, and hardly any text; the argument's number follows.
    private static let mark = "\u{10FFFD}"
    nonisolated(unsafe) private static var taken: Set<Int> = []

    private static func argument(_ number: Int) -> UnsafeMutablePointer<CChar>? {
        CommandLine.unsafeArgv[number]
    }

    private static var numbers: Range<Int> { 1..<max(1, Int(CommandLine.argc)) }

    /// The command line for the parser.
    static var forParser: [String] {
        numbers.map { number in
            guard let bytes = argument(number) else { return "" }
            return String(validatingCString: bytes) ?? option(bytes) + mark + String(number)
        }
    }

    /// What stands before the value in `--name=VALUE`, the sign included; nothing in others.
    private static func option(_ bytes: UnsafeMutablePointer<CChar>) -> String {
        let equal = CChar(bitPattern: UInt8(ascii: "="))
        let all = UnsafeBufferPointer(start: bytes, count: strlen(bytes))
        guard all.starts(with: [45, 45]), let end = all.firstIndex(of: equal) else { return "" }
        let name = all[...end].map { UInt8(bitPattern: $0) }
        return String(validating: name, as: UTF8.self) ?? ""
    }

    /// The bytes that a mark stands for; nil for what is text.
    static func bytes(_ argument: String) -> [CChar]? {
        guard argument.hasPrefix(mark), let number = Int(argument.dropFirst()),
            numbers.contains(number), let bytes = Self.argument(number),
            String(validatingCString: bytes) == nil
        else { return nil }
        taken.insert(number)
        let start = option(bytes).utf8.count
        return Array(UnsafeBufferPointer(start: bytes + start, count: strlen(bytes) - start)) + [0]
    }

    /// Refuses arguments that are neither text nor paths.
    static func requireText() throws(Failure) {
        for number in numbers {
            guard let bytes = argument(number), String(validatingCString: bytes) == nil,
                !taken.contains(number)
            else { continue }
            throw Failure(
                ExitStatus.usage,
                """
                argument \(number) is not UTF-8, which only the path of a file may be; give such \
                keys and values with --hex, or on standard input
                """)
        }
    }
}

extension PoolPath: ExpressibleByArgument {
    package init?(argument: String) {
        if let bytes = RawArguments.bytes(argument) {
            self.init(FilePath(platformString: bytes))
        } else {
            try? self.init(argument)
        }
    }
}
