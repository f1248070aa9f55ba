import Foundation
import PmemKV
import PmemKVTesting
import Testing

/// A device has one place, so a copy on it has its name before it is complete.
@Suite("Pools that were never completed")
struct IncompletePoolTests {
    /// A backup to a device that was cut short opened, counted and checked as a sound pool with
    /// some of the keys.
    @Test("Opening, checking and repairing refuse one; completed, it is a pool like any other")
    func incomplete() throws {
        let path = "/dev/shm/pmemkv-incomplete-\(UUID().uuidString).pool"
        defer { unlink(path) }
        let shape = PoolShape()
        let image = PoolImage(size: shape.poolSize)
        let medium = ScratchMedium(image)
        var filling = shape.options
        filling.engine.fillsPool = true
        var store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: filling)
        try store.put("1", forKey: "a")
        store.abandon()
        func bytes() -> Data { Data(bytes: image.view, count: image.size) }
        func expectRefused() throws {
            try bytes().write(to: URL(fileURLWithPath: path))
            let refusals: [() throws -> Void] = [
                { try PmemStore.open(at: path).close() },
                { _ = try PmemStore.check(at: path) },
                { _ = try PmemStore.repair(at: path, to: path + ".repaired") },
            ]
            for refused in refusals {
                #expect { try refused() } throws: {
                    let error = $0 as? StoreError
                    return error?.code == .incomplete && error!.message.contains("incomplete")
                }
            }
        }
        try expectRefused()
        store = try PmemStore.open(on: medium, options: filling)
        try store.put("2", forKey: "b")
        try store.close()
        // Either copy of the superblock alone says that it is complete.
        let whole = [UInt8](bytes())
        for damaged in [100, 4096 + 100] {
            var bytes = whole
            bytes[damaged] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let found = try PmemStore.open(at: path)
            #expect(try found.get("a") == [0x31] && found.get("b") == [0x32])
            try found.close()
        }
    }
}
