import CBench
import Foundation

#if HAVE_URING
    import CUringShim
#endif

/// Third parties that reach into a DAX mapping: each makes the kernel pin its pages, and so touch
/// their struct pages. The source file is on another medium; its offsets wrap in its own size.

struct DirectReadBody: IOBody {
    let context: IOContext
    let source: SourceFile

    init(_ context: IOContext) throws {
        guard let source = context.source else { throw BenchError("no source file") }
        self.context = context
        self.source = source
    }

    @inline(__always)
    func perform(_ offset: Int) throws {
        let size = context.blockSize
        let from = offset % (SourceFile.bytes - size + 1) & ~4095
        if pread(source.descriptor, context.target.base + offset, size, off_t(from)) != size {
            throw BenchError.system("O_DIRECT read into the mapping")
        }
    }
}

struct ProcessReadBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer
    let process = getpid()

    @inline(__always)
    func perform(_ offset: Int) throws {
        let size = context.blockSize
        let done = bench_process_read(process, buffer.bytes, context.target.base + offset, size)
        if done != size { throw BenchError.system("process_vm_readv") }
    }
}

#if HAVE_URING
    /// An open ring, closed by `finish`.
    private func openRing() throws -> OpaquePointer {
        var error: Int32 = 0
        guard let ring = uring_shim_open(&error) else {
            throw BenchError("io_uring: \(String(cString: strerror(error)))")
        }
        return ring
    }

    struct UringRegisterBody: IOBody {
        let context: IOContext
        let ring: OpaquePointer

        init(_ context: IOContext) throws {
            self.context = context
            ring = try openRing()
        }

        @inline(__always)
        func perform(_ offset: Int) throws {
            let status = uring_shim_register(ring, context.target.base + offset, context.blockSize)
            guard status >= 0, uring_shim_unregister(ring) >= 0 else {
                throw BenchError("io_uring register: \(String(cString: strerror(-status)))")
            }
        }

        func finish() { uring_shim_close(ring) }
    }

    /// Everything the operation reads into is registered beforehand, at most 64 MiB.
    struct UringReadBody: IOBody {
        let context: IOContext
        let source: SourceFile
        let ring: OpaquePointer
        let registered: Int

        init(_ context: IOContext) throws {
            guard let source = context.source else { throw BenchError("no source file") }
            self.context = context
            self.source = source
            ring = try openRing()
            registered = min(context.target.size, 64 << 20)
            let status = uring_shim_register(ring, context.target.base, registered)
            guard status >= 0 else {
                uring_shim_close(ring)
                throw BenchError("io_uring register: \(String(cString: strerror(-status)))")
            }
        }

        @inline(__always)
        func perform(_ offset: Int) throws {
            let size = context.blockSize
            let place = offset % (registered - size + 1) & ~4095
            let from = offset % (SourceFile.bytes - size + 1) & ~4095
            let done = uring_shim_read_fixed(
                ring, source.descriptor, context.target.base + place, UInt32(size), off_t(from))
            if done != size { throw BenchError("io_uring read: \(done)") }
        }

        func finish() {
            _ = uring_shim_unregister(ring)
            uring_shim_close(ring)
        }
    }
#endif
