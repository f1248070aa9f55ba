import FuzzDriver
import PmemKVText

/// Reads arbitrary text as a dump, cut into pieces at arbitrary places.
enum DumpTarget {
    static func run(_ input: UnsafeRawBufferPointer) {
        var lines = LineSplitter()
        var parser = DumpParser()
        var rest = input[...]
        do throws(TextError) {
            while !rest.isEmpty {
                let count = 1 + Int(rest[rest.startIndex]) % 61
                lines.append(UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
                rest = rest.dropFirst(count)
                while let line = lines.next() { _ = try parser.parse(line) }
            }
            if let line = lines.finish() { _ = try parser.parse(line) }
            try parser.finish()
        } catch {
            precondition(!error.message.isEmpty)
        }
    }
}

@_cdecl("fuzz_dump_main")
func fuzzMain(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
    fuzz(count, arguments) { bytes, length in
        DumpTarget.run(UnsafeRawBufferPointer(start: bytes, count: length))
        return 0
    }
}
