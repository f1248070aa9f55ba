import CPmem
import CLibPmem
import Glibc
import PmemPlaces
import SystemPackage

/// Finds out what a pool lives on and gives the medium that makes writes durable there.
enum MediumOpening {
    /// Decides from what the kernel and libpmem said about this very file.
    ///
    /// MAP_SYNC, and not libpmem's answer alone, is what makes a file's stores durable by
    /// flushing: with PMEM_IS_PMEM_FORCE libpmem says yes to anything.
    static func open(
        _ file: PoolFile, io: IOPath, requireSynchronousDAX: Bool
    ) throws(StoreError) -> (Medium, MediumInfo) {
        let size = try file.currentSize()
        guard size >= Geometry.minimumPoolSize else {
            throw StoreError(
                .notAPool,
                "\(file.path) has \(size) bytes, too few for a pool: it was truncated "
                    + "or never was one")
        }
        var info = describe(file, size: size)
        if io == .syscalls {
            guard !file.isDevdax else {
                throw StoreError(
                    .unsupported,
                    """
                    \(file.path) is a devdax device: it has no read(2) and write(2), use \
                    '--io mapped'
                    """)
            }
            info.strategy = .syscalls
            info.isDurable = !file.facts.isVolatile
        }
        if requireSynchronousDAX && !info.isSynchronousDAX {
            throw StoreError(
                .refused,
                """
                \(file.path) has no synchronous DAX (\(info.kind.rawValue), durable by \
                \(info.strategy.rawValue)), which was required; 'pmemkv doctor \(file.path)' \
                says why
                """)
        }
        if info.strategy == .syscalls {
            return (Medium(SyscallMedium(file: file, size: size)), info)
        }
        let mapping = try PoolMapping.map(file)
        if !file.isReadOnly, !mapping.isPmem, info.strategy != .msync {
            // libpmem disagrees: believe the weaker of the two.
            info.strategy = .msync
        }
        switch info.strategy {
        case .flushAndFence:
            return (Medium(DirectMedium(pool: mapping, needsFlush: true)), info)
        case .fenceOnly:
            return (Medium(DirectMedium(pool: mapping, needsFlush: false)), info)
        case .msync, .syscalls:
            return (Medium(MsyncMedium(pool: mapping)), info)
        }
    }

    private static func describe(_ file: PoolFile, size: Int) -> MediumInfo {
        let facts = file.facts
        let kind: MediumInfo.Kind
        if file.isDevdax {
            kind = .devdax
        } else if facts.isMemoryFileSystem {
            kind = .memoryFile
        } else {
            kind = facts.isDAX == true ? .fsdaxFile : .pageCacheFile
        }
        let accepts =
            file.isDevdax || cpmem_probe_map_sync(file.descriptor.rawValue, size) == 1
        let forced = getenv("PMEM_IS_PMEM_FORCE").map { String(cString: $0) == "1" } ?? false
        let autoFlush = pmem_has_auto_flush() == 1
        // An asynchronous device below makes a fence worthless, whatever a mapping accepts.
        let synchronous =
            accepts && kind != .memoryFile && facts.asynchronousDevices.isEmpty
        let strategy: MediumInfo.Strategy =
            synchronous || forced ? (autoFlush ? .fenceOnly : .flushAndFence) : .msync
        return MediumInfo(
            path: file.path, kind: kind, fileSystem: facts.fileSystem,
            isDAX: facts.isDAX == true, acceptsMapSync: accepts, isForced: forced,
            hasAutoFlush: autoFlush, strategy: strategy,
            isDurable: !facts.isVolatile && (strategy == .msync || synchronous))
    }
}
