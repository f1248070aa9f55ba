import Foundation
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import PmemKV

@Suite("Prefaulter")
struct PrefaulterTests {
    /// A pool prepares ahead of the writer, and each segment once.
    ///
    /// Where the kernel writes back it did not: of a new pool each round of the disk met blocks
    /// that were the file's by name only, and waited for the file system's journal. Sixteen writers
    /// got 4,000 puts a second where they had 107,000 once the log had gone round.
    @Test(arguments: [IOPath.automatic, .mapped, .syscalls])
    func segmentsAreReadyBeforeTheyAreTaken(io: IOPath) throws {
        let pool = TemporaryPool()
        let calls = SyncRanges()
        var store = try pool.create(2 << 20, segmentSize: 64 << 10) {
            $0.io = io
            $0.engine.calls = calls
        }
        defer { store.abandon() }
        var segments = store.engine.log.segments
        let all = segments.all
        try store.put("value", forKey: "key")
        let open = try #require(all.last { segments.phase($0) == .open })
        let ahead = [open + 1, open + 2]
        try #require(eventually { ahead.allSatisfy(segments.isPrepared) })
        segments.stopPrefaulting()
        #expect(!segments.isPrepared(open + 3))
        // All pages were written to, and no more than that: blocks without contents are holes.
        let places = segments.geometry
        func bytes(_ segment: SegmentNumber) -> Range<Int> {
            places.offset(of: segment)..<places.offset(of: segment + 1)
        }
        for segment in ahead { #expect(try pool.hasContents(bytes(segment))) }
        #expect(try !pool.hasContents(bytes(open + 3)))
        // The next round of the disk takes them along.
        try store.put("value", forKey: "key")
        if store.mediumInfo.strategy == .msync {
            for segment in ahead { #expect(calls.cover(bytes(segment))) }
        }

        // The mapping of the next process is new, and has to be prepared anew; blocks stay written.
        func put() throws { try store.put([UInt8](repeating: 1, count: 30_000), forKey: "long") }
        while all.contains(where: { segments.life($0).generation == 0 }) { try put() }
        try store.close()
        store = try pool.open { $0.io = io }
        segments = store.engine.log.segments
        for _ in 0..<8 { try put() }
        segments.stopPrefaulting()
        let isDirect = [.flushAndFence, .fenceOnly].contains(store.mediumInfo.strategy)
        #expect(all.contains(where: segments.isPrepared) == isDirect)
    }

    /// Behind the first few megabytes of a pool the disk wrote 64 KiB for each put of 200 bytes:
    /// segments were made ready by reading ahead, which brings pages into the page cache in large
    /// pieces, and a store to one page has the whole piece written back.
    @Test func aPutHasFewPagesWrittenBack() throws {
        let pool = TemporaryPool(directory: "/var/tmp")
        let store = try pool.create(256 << 20, segmentSize: 1 << 20) { $0.io = .mapped }
        let long = [UInt8](repeating: 1, count: 60_000)
        for number in 0..<300 { try store.put(long, forKey: "long \(number)") }
        let before = try bytesToWriteBack()
        let puts = 100
        for number in 0..<puts { try store.put([UInt8](long.prefix(180)), forKey: "key \(number)") }
        #expect(try bytesToWriteBack() - before <= puts * 4 * 4096)
        try store.close()
    }

    /// Bytes of the page cache that this thread has made dirty.
    private func bytesToWriteBack() throws -> Int {
        let text = try String(contentsOfFile: "/proc/thread-self/io", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("write_bytes: ") })
        return try #require(Int(line.dropFirst("write_bytes: ".count)))
    }
}

extension TemporaryPool {
    /// Whether each byte of a range of the file was written at some time, according to the file
    /// system. Blocks that were only allocated are holes, also on tmpfs.
    fileprivate func hasContents(_ range: Range<Int>) throws -> Bool {
        // SEEK_DATA and SEEK_HOLE of lseek(2), which Glibc's module leaves out.
        let (data, hole) = (CInt(3), CInt(4))
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        let start = lseek(file, range.lowerBound, data)
        if start < 0, errno != ENXIO { throw Errno(rawValue: errno) }
        return start == range.lowerBound && lseek(file, start, hole) >= range.upperBound
    }
}

/// The kernel's calls, of which those that write back ranges of a mapping are remembered.
private final class SyncRanges: PoolCalls {
    private let kernel = KernelCalls()
    private let ranges = Mutex<[Range<Int>]>([])

    /// Whether one of them was of all these bytes.
    func cover(_ range: Range<Int>) -> Bool {
        ranges.withLock { $0.contains { $0.contains(range) } }
    }

    func syncMapping(_ base: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int {
        ranges.withLock { $0.append(range) }
        return kernel.syncMapping(base, range)
    }

    func read(_ file: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        kernel.read(file, into: buffer, at: offset)
    }

    func write(_ file: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        kernel.write(file, bytes, at: offset)
    }

    func syncData(_ file: CInt) -> Int { kernel.syncData(file) }
    func syncAll(_ file: CInt) -> Int { kernel.syncAll(file) }
    func allocate(_ file: CInt, _ range: Range<Int>) -> Int { kernel.allocate(file, range) }
}
