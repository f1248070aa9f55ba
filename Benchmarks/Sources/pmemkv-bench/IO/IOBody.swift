import CBench
import Foundation

/// What one thread does again and again on a target. Every operation is a type of its own, so that
/// the loop around it is specialised and holds no dispatch.
protocol IOBody: SendableMetatype {
    init(_ context: IOContext) throws
    /// One operation on the block at this offset.
    mutating func perform(_ offset: Int) throws
    /// Whether something must be set up again before the next operation; that is not timed.
    var isExhausted: Bool { get }
    mutating func renew() throws
    mutating func finish()
}

extension IOBody {
    var isExhausted: Bool { false }
    func renew() throws {}
    func finish() {}
}

/// What a body works on.
struct IOContext: Sendable {
    let target: IOTarget
    let blockSize: Int
    let thread: Int
    /// A file on another medium to read from, for the operations that pin the mapping.
    let source: SourceFile?
}

/// A private buffer of a thread.
struct IOBuffer {
    let bytes: UnsafeMutableRawPointer
    init(_ size: Int) {
        bytes = .allocate(byteCount: max(size, 64), alignment: 4096)
        bytes.initializeMemory(as: UInt8.self, repeating: 0x3c, count: size)
    }
    func deallocate() { bytes.deallocate() }
}

/// A body that moves bytes between the target and one private buffer.
protocol BufferedBody: IOBody {
    var context: IOContext { get }
    var buffer: IOBuffer { get }
    init(context: IOContext, buffer: IOBuffer)
}

extension BufferedBody {
    init(_ context: IOContext) {
        self.init(context: context, buffer: IOBuffer(context.blockSize))
    }

    func finish() { buffer.deallocate() }
}

/// A file opened with O_DIRECT, to be read into a DAX mapping.
final class SourceFile: Sendable {
    let descriptor: Int32
    let path: String
    static let bytes = 64 << 20

    init(directory: String) throws {
        path = directory + "/pmemkv-bench-source-\(getpid())"
        let writable = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard writable >= 0 else { throw BenchError.system("create \(path)") }
        let chunk = [UInt8](repeating: 0x77, count: 1 << 20)
        for _ in 0..<Self.bytes / chunk.count where write(writable, chunk, chunk.count) < 0 {
            throw BenchError.system("write \(path)")
        }
        fsync(writable)
        close(writable)
        descriptor = bench_open_direct(path)
        guard descriptor >= 0 else {
            unlink(path)
            throw BenchError.system("O_DIRECT is not possible in \(directory)")
        }
    }

    func remove() {
        close(descriptor)
        unlink(path)
    }
}
