import CBench
import Foundation

/// Operations through the mapping.

struct LoadBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) {
        buffer.bytes.copyMemory(
            from: context.target.base + offset, byteCount: context.blockSize)
    }
}

/// Ordinary stores, then the cheapest flush of each line, then the fence.
struct StoreFlushBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) {
        pmem_memcpy(
            context.target.base + offset, buffer.bytes, context.blockSize,
            UInt32(PMEM_F_MEM_TEMPORAL))
    }
}

struct NTStoreBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) {
        pmem_memcpy(
            context.target.base + offset, buffer.bytes, context.blockSize,
            UInt32(PMEM_F_MEM_NONTEMPORAL))
    }
}

struct MsyncBody: BufferedBody {
    let context: IOContext
    let buffer: IOBuffer

    @inline(__always)
    func perform(_ offset: Int) throws {
        let place = context.target.base + offset
        place.copyMemory(from: buffer.bytes, byteCount: context.blockSize)
        let first = offset & ~4095
        let bytes = offset + context.blockSize - first
        if msync(context.target.base + first, bytes, MS_SYNC) != 0 {
            throw BenchError.system("msync")
        }
    }
}
