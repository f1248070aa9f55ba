// Pool files that are cut short, of another version, locked, or pulled from under a mapping.

import CPmem
import Foundation
import PmemKV
import Testing

@Suite("Faults of files", .serialized)
struct FileFaultTests {
    private let directory: String
    private var path: String { directory + "/pool" }

    init() throws {
        directory = NSTemporaryDirectory() + "pmemkv-fault-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    private func withPool(_ body: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try PmemStore.create(
            at: path, options: CreateOptions(size: 8192 + 4096 + 6 * 1024, segmentSize: 1024))
        for number in 0..<6 {
            try store.put([UInt8](repeating: 7, count: 100), forKey: "k\(number)")
        }
        try store.close()
        try body()
    }

    private func open(readOnly: Bool = false, io: IOPath = .automatic) throws -> PmemStore {
        var options = OpenOptions()
        options.readOnly = readOnly
        options.io = io
        return try PmemStore.open(at: path, options: options)
    }

    @Test("Every 64-byte truncation is refused", arguments: [IOPath.automatic, .syscalls])
    func truncations(io: IOPath) throws {
        try withPool {
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            for size in stride(from: 0, to: whole.count, by: 64) {
                try whole.prefix(size).write(to: URL(fileURLWithPath: path))
                do {
                    let store = try open(readOnly: size % 128 == 0, io: io)
                    store.abandon()
                    Issue.record("a pool cut to \(size) bytes opens")
                } catch let error as StoreError {
                    #expect([.notAPool, .corrupt].contains(error.code), "\(size): \(error)")
                }
            }
        }
    }

    @Test("Another format version is named as such")
    func version() throws {
        try withPool {
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            bytes.withUnsafeMutableBytes { raw in
                for copy in 0..<2 {
                    let base = raw.baseAddress! + copy * 4096
                    var block = base.loadUnaligned(as: cpmem_superblock.self)
                    block.version = 99
                    block.checksum = 0
                    block.checksum = withUnsafeBytes(of: &block) {
                        cpmem_crc32c($0.baseAddress, $0.count)
                    }
                    base.storeBytes(of: block, as: cpmem_superblock.self)
                }
            }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            #expect { try open() } throws: { ($0 as? StoreError)?.code == .unsupportedVersion }
        }
    }

    @Test("A second writer is refused, readers share")
    func twoOpeners() throws {
        try withPool {
            let writer = try open()
            #expect { try open() } throws: { ($0 as? StoreError)?.code == .locked }
            #expect { try open(readOnly: true) } throws: { ($0 as? StoreError)?.code == .locked }
            try writer.close()
            let one = try open(readOnly: true)
            let two = try open(readOnly: true)
            #expect(try two.get("k1")?.count == 100)
            try one.close()
            try two.close()
        }
    }

    @Test("The lock of a killed process is gone with it")
    func staleLock() throws {
        try withPool {
            let holder = Process()
            holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
            holder.arguments = ["-o", path, "sleep", "30"]
            try holder.run()
            var isLocked = false
            for _ in 0..<200 where !isLocked {
                usleep(10_000)
                do {
                    try open().close()
                } catch let error as StoreError {
                    isLocked = error.code == .locked
                }
            }
            #expect(isLocked)
            kill(holder.processIdentifier, SIGKILL)
            // Its child sleeps on, without the lock.
            var isFree = false
            for _ in 0..<200 where !isFree {
                usleep(10_000)
                isFree = (try? open().close()) != nil
            }
            #expect(isFree)
        }
    }

    @Test("A truncation under the mapping gives errors, and the process lives")
    func truncatedUnderMapping() throws {
        try withPool {
            let store = try open()
            #expect(truncate(path, 8192) == 0)
            var failures = 0
            for number in 0..<6 {
                do {
                    #expect(try store.get("k\(number)")?.count == 100)
                } catch let error as StoreError {
                    #expect([.media, .corrupt].contains(error.code))
                    failures += 1
                }
            }
            #expect(failures > 0)
            #expect(throws: StoreError.self) { try store.put([1], forKey: "new") }
            store.abandon()
        }
    }

    @Test("A file system without room leaves no pool behind")
    func noSpace() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        #expect { try PmemStore.create(at: path, options: CreateOptions(size: 1 << 44)) } throws: {
            [.cannotCreate, .outOfSpace].contains(($0 as? StoreError)?.code)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("A damaged pool is told apart from a sound one by check")
    func check() throws {
        try withPool {
            #expect(try PmemStore.check(at: path).isSound)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes[12288 + 40] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path))
            let report = try PmemStore.check(at: path)
            #expect(!report.isSound)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
        }
    }
}
