import CBench
import Foundation
import PmemPlaces

/// One place under test: a file or device, opened and mapped, given as NAME=PATH.
///
/// A directory gets a file of its own, removed at the end; so does a path where nothing is. What
/// exists already is overwritten, so the caller must have agreed to that.
final class IOTarget: Sendable {
    let name: String
    let path: String
    let directory: String?
    let isDevice: Bool
    let size: Int
    let descriptor: Int32
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    let mapSyncAccepted: Bool
    private let removesFile: Bool

    /// Mappings begin at multiples of this, so that 2 MiB pages are possible.
    static let hugePage = 2 << 20

    init(_ text: String, size wanted: Int, overwrite: Bool) throws {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        name = parts.count == 2 ? parts[0] : (text as NSString).lastPathComponent
        let given = parts.last ?? text
        var facts = stat()
        let exists = stat(given, &facts) == 0
        let kind = exists ? facts.st_mode & S_IFMT : 0
        if kind == S_IFDIR {
            directory = given
            path = given + "/pmemkv-bench-io-\(getpid())-\(name).data"
        } else {
            guard !exists || overwrite else {
                throw BenchError("\(given) exists; give --overwrite to use it, its bytes are lost")
            }
            directory = nil
            path = given
        }
        isDevice = kind == S_IFCHR
        removesFile = kind == S_IFDIR || !exists
        descriptor = open(path, O_RDWR | (isDevice ? 0 : O_CREAT) | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BenchError.system("open \(path)") }
        size =
            isDevice
            ? try Self.size(ofDevice: path) : (wanted + Self.hugePage - 1) & ~(Self.hugePage - 1)
        if !isDevice {
            guard ftruncate(descriptor, size) == 0, posix_fallocate(descriptor, 0, size) == 0 else {
                throw BenchError.system("allocate \(size) bytes for \(path)")
            }
            try Self.writeOnce(descriptor, size)
        }
        let mapped = try Self.map(descriptor, size)
        base = mapped.address
        mapSyncAccepted = mapped.sync
    }

    func close() {
        munmap(base, size)
        _ = Glibc.close(descriptor)
        if removesFile { unlink(path) }
    }

    private static func size(ofDevice path: String) throws -> Int {
        guard let size = PlaceFacts.inspect(path: path).directDevice?.sizeBytes else {
            throw BenchError("\(path): sysfs does not tell its size")
        }
        return size
    }

    /// Written extents: no later store or write pays for the first touch.
    private static func writeOnce(_ descriptor: Int32, _ size: Int) throws {
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { chunk.deallocate() }
        chunk.initializeMemory(as: UInt8.self, repeating: 0x11)
        for offset in stride(from: 0, to: size, by: chunk.count) {
            guard pwrite(descriptor, chunk.baseAddress, chunk.count, off_t(offset)) == chunk.count
            else { throw BenchError.system("fill the target") }
        }
        guard fsync(descriptor) == 0 else { throw BenchError.system("fsync") }
    }

    /// With MAP_SYNC when the medium accepts it, else a plain shared mapping; 2 MiB aligned.
    static func map(
        _ descriptor: Int32, _ size: Int
    ) throws -> (address: UnsafeMutableRawPointer, sync: Bool) {
        var sync = true
        var address = bench_map_aligned(descriptor, size, hugePage, 0, true)
        if address == nil {
            sync = false
            address = bench_map_aligned(descriptor, size, hugePage, 0, false)
        }
        guard let address else { throw BenchError.system("mmap") }
        return (address, sync)
    }
}

extension BenchError {
    static func system(_ what: String) -> BenchError {
        BenchError("\(what): \(String(cString: strerror(errno)))")
    }
}
