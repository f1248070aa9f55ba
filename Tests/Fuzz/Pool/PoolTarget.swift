import FuzzDriver
import PmemKVTesting

/// Opens a pool made from arbitrary bytes. The input edits one of three sample pools, or is the
/// pool; where it says so, checksums are put right afterwards, so that what lies behind them is
/// reached. Nothing may trap, hang or leave the medium, and a store that opened has to work.
enum PoolTarget {
    nonisolated(unsafe) private static let fuzzer = ImageFuzzer()

    static func run(_ input: UnsafeRawBufferPointer) { fuzzer.run(input) }
}

@_cdecl("fuzz_pool_main")
func fuzzMain(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
    fuzz(count, arguments) { bytes, length in
        PoolTarget.run(UnsafeRawBufferPointer(start: bytes, count: length))
        return 0
    }
}
