// Room that was taken for a write which then failed.

import Foundation
import PmemKV
import PmemKVTesting
import SystemPackage
import Testing

@Suite("Room that a failed write left")
struct LeftRoomTests {
    /// A batch looks for the keys it removes when it has taken room for its values. Where that read
    /// failed, the extent for a long value stayed with the log head, and the next long value was
    /// written into it, whatever its length: over the segments behind.
    @Test("The next long value does not go into an extent that was taken for another one")
    func longValues() throws {
        let path = "/dev/shm/pmemkv-left-\(UUID().uuidString).pool"
        defer { unlink(path) }
        var creation = CreateOptions(size: 8192 + 4096 + 40 * 1024, segmentSize: 1024)
        creation.open.io = .syscalls
        var contents: [String: [UInt8]] = [:]
        let first = try PmemStore.create(at: path, options: creation)
        for number in 0..<12 {
            contents["key \(number)"] = PoolShape.value(step: number, key: 0, length: 300)
            try first.put(contents["key \(number)"]!, forKey: "key \(number)")
        }
        try first.close()
        let pool = try Data(contentsOf: URL(filePath: path))
        var failures = 0
        for number in 0..<200 {
            try pool.write(to: URL(filePath: path))
            let calls = FaultyCalls(CallFault(.read, .error(.ioError), number: number))
            var options = OpenOptions()
            options.io = .syscalls
            options.engine.heads = 1
            options.engine.calls = calls
            guard let store = try? PmemStore.open(at: path, options: options) else { continue }
            defer { store.abandon() }
            var expected = contents
            var batch = WriteBatch()
            batch.put([UInt8](repeating: 1, count: 1500), forKey: "long")
            batch.remove("key 3")
            if (try? store.apply(batch)) == nil {
                failures += 1
            } else {
                expected["long"] = [UInt8](repeating: 1, count: 1500)
                expected["key 3"] = nil
            }
            expected["longer"] = [UInt8](repeating: 2, count: 6000)
            guard (try? store.put(expected["longer"]!, forKey: "longer")) != nil else { continue }
            try store.close()
            #expect(try PmemStore.check(at: path).isSound, "read \(number)")
            let again = try PmemStore.open(at: path)
            for (key, value) in expected { #expect(try again.get(key) == value, "\(number)") }
            try again.close()
            if !calls.hasFailed { break }
        }
        #expect(failures > 0)
    }
}
