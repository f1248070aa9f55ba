import CBench
import Foundation

/// Operations through read(2), write(2) and their relatives.

struct PreadBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) throws {
        let size = context.blockSize
        if pread(context.target.descriptor, buffer.bytes, size, off_t(offset)) != size {
            throw BenchError.system("pread")
        }
    }
}

struct PwriteBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) throws {
        let size = context.blockSize
        if pwrite(context.target.descriptor, buffer.bytes, size, off_t(offset)) != size {
            throw BenchError.system("pwrite")
        }
    }
}

struct PwriteDsyncBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) throws {
        let size = context.blockSize
        let done = bench_pwrite_dsync(
            context.target.descriptor, buffer.bytes, size, off_t(offset))
        if done != size { throw BenchError.system("pwritev2 RWF_DSYNC") }
    }
}

struct PwriteFdatasyncBody: IOBody {
    var writing: PwriteBody

    init(_ context: IOContext) { writing = PwriteBody(context) }

    @inline(__always)
    func perform(_ offset: Int) throws {
        try writing.perform(offset)
        if fdatasync(writing.context.target.descriptor) != 0 {
            throw BenchError.system("fdatasync")
        }
    }

    func finish() { writing.finish() }
}
