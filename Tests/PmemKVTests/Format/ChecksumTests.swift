import CPmem
import Testing

@testable import PmemKV

@Suite("Checksums and hashes of the format")
struct ChecksumTests {
    /// The check value of CRC-32C in the catalogue of parametrised CRC algorithms, and the
    /// examples of RFC 3720, appendix B.4.
    @Test func publishedValues() {
        func crc(_ bytes: [UInt8]) -> UInt32 {
            bytes.withUnsafeBytes { cpmem_crc32c($0.baseAddress, $0.count) }
        }
        #expect(crc(Array("123456789".utf8)) == 0xE306_9283)
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(crc([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(crc((0..<32).map { UInt8($0) }) == 0x46DD_794E)
    }

    /// The interleaved, the serial and the table form agree at every length around their limits.
    @Test func allFormsAgree() {
        var bytes: [UInt8] = []
        var state: UInt32 = 1
        for _ in 0..<20_000 {
            state = state &* 1_664_525 &+ 1_013_904_223
            bytes.append(UInt8(truncatingIfNeeded: state >> 24))
        }
        bytes.withUnsafeBytes { all in
            let long = [
                1023, 1024, 1025, 1279, 1280, 1281, 1535, 3071, 3072, 3073, 6144, 9999, 19_990,
            ]
            for count in Array(0..<70) + Array(180..<660) + long {
                for start in [0, 1, 7] {
                    let base = all.baseAddress! + start
                    #expect(
                        cpmem_crc32c_update(~0, base, count) == cpmem_crc32c_table(~0, base, count))
                }
            }
        }
    }

    /// The checksum of a whole is put together from those of its parts, wherever it is cut.
    @Test func partsMakeTheWhole() {
        let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 167 &>> 3) }
        bytes.withUnsafeBytes { all in
            let whole = cpmem_crc32c_update(~0, all.baseAddress, all.count)
            for cut in [0, 1, 63, 64, 65, 4095, 4096, 8191, 8999, 9000] {
                let second = all.count - cut
                let state = cpmem_crc32c_update(~0, all.baseAddress, cut)
                let rest = cpmem_crc32c_update(0, all.baseAddress! + cut, second)
                #expect(cpmem_crc32c_skip(state, second) ^ rest == whole)
            }
        }
    }

    /// A hash that ignored a byte would make distinct keys collide.
    @Test func hashDependsOnEveryByteAndOnTheLength() {
        for count in 1...80 {
            var key = [UInt8](repeating: 0x5A, count: count)
            var seen: Set<UInt64> = []
            func add() {
                seen.insert(
                    key.withUnsafeBytes { cpmem_key_hash($0.baseAddress, $0.count, 99) })
            }
            add()
            for position in 0..<count {
                key[position] ^= 0x81
                add()
                key[position] ^= 0x81
            }
            key.append(0)
            add()
            #expect(seen.count == count + 2)
        }
    }
}
