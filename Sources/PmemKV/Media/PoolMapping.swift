import CPmem
import CLibPmem
import Glibc
import SystemPackage

/// The mapping of a whole pool, guarded against SIGBUS.
///
/// Invariants:
/// - A mapping is guarded from before its first access until it is unmapped.
/// - A writable mapping comes from pmem_map_file, which alone knows whether flushing makes stores
///   durable; a read-only one from mmap, since pmem_map_file always asks to write.
@safe
final class PoolMapping: @unchecked Sendable {
    @unsafe let address: UnsafeMutableRawPointer
    let length: Int
    /// libpmem's word on whether stores become durable by flushing.
    let isPmem: Bool
    let path: String
    private let file: PoolFile
    var calls: any PoolCalls { file.calls }
    private let guardSlot: Int32
    private var isClosed = false

    private init(
        _ address: UnsafeMutableRawPointer, length: Int, isPmem: Bool, file: PoolFile
    ) throws(StoreError) {
        unsafe self.address = address
        self.length = length
        self.isPmem = isPmem
        self.file = file
        path = file.path
        guardSlot = unsafe cpmem_guard_add(address, length)
        guard guardSlot >= 0 else {
            unsafe pmem_unmap(address, length)
            throw StoreError(.io, "no SIGBUS guard for \(file.path): too many pools are open")
        }
    }

    deinit { close() }

    static func map(_ file: PoolFile) throws(StoreError) -> PoolMapping {
        try file.isReadOnly ? mapReadOnly(file) : mapWritable(file)
    }

    private static func mapReadOnly(_ file: PoolFile) throws(StoreError) -> PoolMapping {
        let length = try file.currentSize()
        guard let address = unsafe cpmem_map_readonly(file.descriptor.rawValue, length) else {
            throw StoreError(.io, "cannot map \(file.path)", cause: Errno(rawValue: errno))
        }
        return try unsafe PoolMapping(address, length: length, isPmem: false, file: file)
    }

    private static func mapWritable(_ file: PoolFile) throws(StoreError) -> PoolMapping {
        var length = 0
        var isPmem: Int32 = 0
        // Through the descriptor that is locked, not through the path: same file, whatever the
        // path names by now. A thread may have descriptors of its own, which are not those that
        // /proc/self shows.
        let name = "/proc/thread-self/fd/\(file.descriptor.rawValue)"
        // libpmem opens the file itself, for a moment.
        let filled = cpmem_fill_standard()
        defer { cpmem_empty_standard(filled) }
        guard let address = unsafe pmem_map_file(name, 0, 0, 0, &length, &isPmem) else {
            let cause = Errno(rawValue: errno)
            let reason = unsafe String(cString: pmem_errormsg())
            let need = cause == .noSuchFileOrDirectory ? "; this takes a mounted /proc" : ""
            throw StoreError(
                .io, "libpmem cannot map \(file.path) (\(reason))\(need)", cause: cause)
        }
        return try unsafe PoolMapping(address, length: length, isPmem: isPmem != 0, file: file)
    }

    /// Reads the file below, past the page cache.
    func readPastCache(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe try file.readPastCache(at: offset, into: buffer)
    }

    /// Of the file below.
    var attributes: FileAttributes? { file.attributes }

    var faultCount: Int { Int(clamping: cpmem_guard_faults(guardSlot)) }

    var faultError: StoreError {
        StoreError(
            .media,
            """
            \(path) lost the page at offset \(cpmem_guard_last_fault(guardSlot)) while it was \
            in use (a poisoned line, a truncated file, a file with holes on a full disk, or a \
            disabled namespace); the store refuses writes until it is opened again
            """)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        unsafe pmem_unmap(address, length)
        cpmem_guard_remove(guardSlot)
        file.close()
    }
}
