import CBench
import Foundation

/// Page faults: a fresh mapping whose pages are touched once each. Mapping and unmapping are not
/// timed.
struct FreshMapping {
    let target: IOTarget
    let bytes: Int
    let pageSize: Int
    /// A mapping shifted by 4 KiB against the file's 2 MiB boundaries can only have small pages.
    private let shift: Int
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var next = 0

    init(_ target: IOTarget, pageSize: Int, largest: Int = 256 << 20) {
        self.target = target
        self.pageSize = pageSize
        shift = pageSize < IOTarget.hugePage ? 4096 : 0
        bytes = min(target.size, largest)
    }

    var isExhausted: Bool { base == nil || next + pageSize > bytes }

    mutating func renew() throws {
        unmap()
        base = bench_map_aligned(
            target.descriptor, bytes, IOTarget.hugePage, shift, target.mapSyncAccepted)
        guard base != nil else { throw BenchError.system("mmap") }
        next = 0
    }

    @inline(__always)
    mutating func take() -> UnsafeMutableRawPointer {
        defer { next += pageSize }
        return base.unsafelyUnwrapped + next
    }

    mutating func unmap() {
        if let base { munmap(base, bytes) }
        base = nil
    }
}

/// The first fault of a page of the file itself: a DAX file remembers pages that any mapping has
/// touched, so the blocks are given back and written anew before the mapping is made.
struct FaultFirstBody: IOBody {
    var mapping: FreshMapping
    var sum: UInt64 = 0

    init(_ context: IOContext) {
        mapping = FreshMapping(context.target, pageSize: 4096, largest: 8 << 20)
    }

    var isExhausted: Bool { mapping.isExhausted }

    mutating func renew() throws {
        mapping.unmap()
        let descriptor = mapping.target.descriptor
        guard bench_forget_blocks(descriptor, mapping.bytes) == 0 else {
            throw BenchError.system("punch a hole")
        }
        let chunk = [UInt8](repeating: 0x44, count: 1 << 20)
        for offset in stride(from: 0, to: mapping.bytes, by: chunk.count) {
            let written = pwrite(descriptor, chunk, chunk.count, off_t(offset))
            if written != chunk.count { throw BenchError.system("write the blocks anew") }
        }
        guard fsync(descriptor) == 0 else { throw BenchError.system("fsync") }
        try mapping.renew()
    }

    mutating func finish() { mapping.unmap() }

    @inline(__always)
    mutating func perform(_ offset: Int) { sum &+= bench_load(mapping.take()) }
}

struct FaultReadBody: IOBody {
    var mapping: FreshMapping
    var sum: UInt64 = 0

    init(_ context: IOContext) { mapping = FreshMapping(context.target, pageSize: 4096) }

    var isExhausted: Bool { mapping.isExhausted }
    mutating func renew() throws { try mapping.renew() }
    mutating func finish() { mapping.unmap() }

    @inline(__always)
    mutating func perform(_ offset: Int) { sum &+= bench_load(mapping.take()) }
}

struct FaultWriteBody: IOBody {
    var mapping: FreshMapping

    init(_ context: IOContext) { mapping = FreshMapping(context.target, pageSize: 4096) }

    var isExhausted: Bool { mapping.isExhausted }
    mutating func renew() throws { try mapping.renew() }
    mutating func finish() { mapping.unmap() }

    @inline(__always)
    mutating func perform(_ offset: Int) { bench_store(mapping.take(), 1) }
}

struct FaultWriteHugeBody: IOBody {
    var mapping: FreshMapping

    init(_ context: IOContext) {
        mapping = FreshMapping(context.target, pageSize: IOTarget.hugePage)
    }

    var isExhausted: Bool { mapping.isExhausted }
    mutating func renew() throws { try mapping.renew() }
    mutating func finish() { mapping.unmap() }

    @inline(__always)
    mutating func perform(_ offset: Int) { bench_store(mapping.take(), 1) }
}

/// The whole of opening a target: open, map, populate; closing it is not timed.
struct OpenPrefaultBody: IOBody {
    let target: IOTarget
    private var opened: (Int32, UnsafeMutableRawPointer)?

    init(_ context: IOContext) { target = context.target }

    var isExhausted: Bool { opened != nil }

    mutating func renew() throws {
        guard let (descriptor, base) = opened else { return }
        munmap(base, target.size)
        close(descriptor)
        opened = nil
    }

    mutating func finish() { try? renew() }

    mutating func perform(_ offset: Int) throws {
        let descriptor = open(target.path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw BenchError.system("open") }
        let (base, _) = try IOTarget.map(descriptor, target.size)
        opened = (descriptor, base)
        if bench_populate(base, target.size) != 0 {
            throw BenchError.system("MADV_POPULATE_WRITE")
        }
    }
}
