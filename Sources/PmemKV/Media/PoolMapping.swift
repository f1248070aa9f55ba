import CPmem
import CLibPmem
import Glibc
import Synchronization
import SystemPackage

/// The mapping of a whole pool, guarded against SIGBUS.
///
/// Invariants:
/// - A mapping is guarded from before its first access until it is unmapped.
/// - A writable mapping comes from pmem_map_file, which alone knows whether flushing makes stores
///   durable; a read-only one from mmap, since pmem_map_file always asks to write.
/// - The address stays the same. Where the pool may grow, addresses for all that it may become are
///   reserved, and guarded; what pmem_map_file has mapped is mapped at the first of them, and what
///   the file grows by behind it, in the same way.
@safe
final class PoolMapping: @unchecked Sendable {
    @unsafe let address: UnsafeMutableRawPointer
    private let mapped: Atomic<Int>
    /// Bytes of addresses that are reserved; zero where none are.
    private let reserved: Int
    /// Whether what comes is to be mapped with MAP_SYNC.
    private let isSynchronous: Bool
    let growthObstacle: String?
    /// libpmem's word on whether stores become durable by flushing.
    let isPmem: Bool
    let path: String
    let file: PoolFile
    var calls: any PoolCalls { file.calls }
    private let guardSlot: Int32
    private var isClosed = false

    private init(
        _ address: UnsafeMutableRawPointer, length: Int, isPmem: Bool, file: PoolFile,
        addresses: Addresses = .whole, isSynchronous: Bool = false
    ) throws(StoreError) {
        unsafe self.address = address
        mapped = Atomic(length)
        self.isPmem = isPmem
        self.file = file
        self.isSynchronous = isSynchronous
        path = file.path
        switch addresses {
        case .whole: (reserved, growthObstacle) = (0, nil)
        case .reserved(let bytes): (reserved, growthObstacle) = (bytes, nil)
        case .none(let obstacle): (reserved, growthObstacle) = (0, obstacle)
        }
        guardSlot = unsafe cpmem_guard_add(address, max(length, reserved))
        guard guardSlot >= 0 else {
            unmap()
            throw StoreError(.io, "no SIGBUS guard for \(file.path): too many pools are open")
        }
    }

    deinit { close() }

    /// Bytes of the pool's file that are mapped.
    var length: Int { mapped.load(ordering: .acquiring) }

    /// Maps a file, which is open.
    ///
    /// - Parameters:
    ///   - reach: bytes that it may grow to; nil for what its superblock says.
    ///   - isSynchronous: whether the kernel accepts MAP_SYNC for it.
    static func map(
        _ file: PoolFile, reach: Int?, isSynchronous: Bool
    ) throws(StoreError) -> PoolMapping {
        try file.isReadOnly
            ? mapReadOnly(file) : mapWritable(file, reach: reach, isSynchronous: isSynchronous)
    }

    private static func mapReadOnly(_ file: PoolFile) throws(StoreError) -> PoolMapping {
        let length = try file.currentSize()
        guard let address = unsafe cpmem_map_readonly(file.descriptor.rawValue, length) else {
            throw StoreError(.io, "cannot map \(file.path)", cause: Errno(rawValue: errno))
        }
        return try unsafe PoolMapping(address, length: length, isPmem: false, file: file)
    }

    private static func mapWritable(
        _ file: PoolFile, reach: Int?, isSynchronous: Bool
    ) throws(StoreError) -> PoolMapping {
        var length = 0
        var isPmem: Int32 = 0
        // Through the descriptor that is locked, not through the path: same file, whatever the
        // path names by now. A thread may have descriptors of its own, which are not those that
        // /proc/self shows.
        let name = "/proc/thread-self/fd/\(file.descriptor.rawValue)"
        // libpmem opens the file itself, for a moment.
        let filled = cpmem_fill_standard()
        defer { cpmem_empty_standard(filled) }
        guard var address = unsafe pmem_map_file(name, 0, 0, 0, &length, &isPmem) else {
            let cause = Errno(rawValue: errno)
            let reason = unsafe String(cString: pmem_errormsg())
            let need = cause == .noSuchFileOrDirectory ? "; this takes a mounted /proc" : ""
            throw StoreError(
                .io, "libpmem cannot map \(file.path) (\(reason))\(need)", cause: cause)
        }
        let addresses =
            file.isDevdax
            ? .none("a devdax device has the size it has")
            : unsafe reserve(reach ?? Self.reach(of: file, length), for: &address, length)
        return try unsafe PoolMapping(
            address, length: length, isPmem: isPmem != 0, file: file, addresses: addresses,
            isSynchronous: isSynchronous)
    }

    // MARK: Growing

    /// The addresses of a mapping.
    private enum Addresses {
        /// Those of the mapping itself: no more will ever be needed.
        case whole
        case reserved(Int)
        /// Those of the mapping itself: what keeps it from having more.
        case none(String)
    }

    /// Bytes that a pool may come to have, as far as a copy of its superblock says.
    private static func reach(of file: PoolFile, _ length: Int) -> Int {
        var reach = 0
        for copy in 0..<Superblock.copies {
            // What cannot be read here, opening finds damaged.
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Superblock.byteCount) {
                let offset = off_t(Superblock.offset(ofCopy: copy))
                $1 = unsafe max(
                    0, pread(file.descriptor.rawValue, $0.baseAddress, $0.count, offset))
            }
            guard bytes.count == Superblock.byteCount,
                case .valid(let block) = bytes.withByteView(Superblock.parse),
                let geometry = Geometry(block, mediumSize: length)
            else { continue }
            reach = max(reach, geometry.reach)
        }
        return reach
    }

    /// Moves a mapping of libpmem's to where so many bytes of addresses are free.
    @unsafe
    private static func reserve(
        _ reach: Int, for address: inout UnsafeMutableRawPointer, _ length: Int
    ) -> Addresses {
        guard reach > length else { return .whole }
        // As libpmem has it, so that huge pages remain possible.
        let alignment = length >= 2 << 30 ? 1 << 30 : 2 << 20
        guard let base = unsafe cpmem_reserve_addresses(reach, alignment) else {
            return .none(
                "there were no addresses to be had for \(reach) bytes when it was opened "
                    + "(ulimit -v limits them)")
        }
        let error = unsafe cpmem_map_again(address, length, base)
        guard error == 0 else {
            unsafe cpmem_release(base, reach)
            return .none(
                "what it lies in cannot be mapped where it may grow (\(Errno(rawValue: error)))")
        }
        // libpmem keeps a list of what it has mapped.
        unsafe pmem_unmap(address, length)
        unsafe address = base
        return .reserved(reach)
    }

    /// See ``PersistentMedium/grow(to:from:)``.
    func grow(
        to bytes: Int, from used: Int, sync: () throws(StoreError) -> Void
    ) throws(StoreError) {
        let old = length
        guard growthObstacle == nil, bytes <= max(old, reserved) else {
            throw StoreError(
                .unsupported,
                "\(path) cannot grow to \(bytes) bytes: "
                    + (growthObstacle ?? "it was opened as a pool that cannot become so large"))
        }
        let fileLength = try file.currentSize()
        try file.allocate(used..<bytes, sync: sync)
        guard bytes > old else { return }
        // The last page that was mapped shows what is now in it.
        let start = (old + Medium.page - 1) & -Medium.page
        if bytes > start {
            let error = unsafe cpmem_map_more(
                file.descriptor.rawValue, Int64(start), bytes - start, address + start,
                isSynchronous ? 1 : 0)
            guard error == 0 else {
                file.cutBack(to: fileLength)
                throw StoreError(
                    .unsupported, "cannot map what \(path) has grown by, which stays as it was",
                    cause: Errno(rawValue: error))
            }
        }
        mapped.store(bytes, ordering: .releasing)
    }

    private func unmap() {
        if reserved > 0 {
            unsafe cpmem_release(address, reserved)
        } else {
            unsafe pmem_unmap(address, length)
        }
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
        unmap()
        cpmem_guard_remove(guardSlot)
        file.close()
    }
}
