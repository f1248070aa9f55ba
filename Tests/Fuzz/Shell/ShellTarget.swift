import FuzzDriver
import PmemKVText

/// Splits arbitrary lines into words; what quoting writes has to come back the same.
enum ShellTarget {
    static func run(_ input: UnsafeRawBufferPointer) {
        let bytes = [UInt8](input)
        guard let words = try? ShellWords.split(bytes[...]) else { return }
        var line: [UInt8] = []
        for word in words {
            word.withUnsafeBytes { ShellWords.quote($0, into: &line) }
            line.append(UInt8(ascii: " "))
        }
        precondition((try? ShellWords.split(line[...])) == words)
    }
}

@_cdecl("fuzz_shell_main")
func fuzzMain(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
    fuzz(count, arguments) { bytes, length in
        ShellTarget.run(UnsafeRawBufferPointer(start: bytes, count: length))
        return 0
    }
}
