import CPmem
import SystemPackage

/// Persistent memory mapped synchronously (devdax, or a DAX file with MAP_SYNC), and any mapping
/// that libpmem was told to treat as such.
///
/// Durable means: every line written back, then a fence. On a platform with eADR the caches are
/// inside the persistence domain and the fence alone remains.
package final class DirectMedium: PersistentMedium, @unchecked Sendable {
    let writable: UnsafeMutableRawPointer
    let needsFlush: Bool
    private let pool: PoolMapping

    init(pool: PoolMapping, needsFlush: Bool) {
        self.pool = pool
        self.needsFlush = needsFlush
        writable = pool.address
    }

    package var size: Int { pool.length }
    package var readBase: UnsafeRawPointer? { UnsafeRawPointer(writable) }
    package var drainCoversAllThreads: Bool { false }
    package var faultCount: Int { pool.faultCount }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: writable + offset, count: buffer.count))
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        if needsFlush {
            cpmem_copy_flush(writable + offset, source.baseAddress, source.count)
        } else {
            cpmem_copy_only(writable + offset, source.baseAddress, source.count)
        }
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        cpmem_copy_only(writable + offset, source.baseAddress, source.count)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {
        if needsFlush { cpmem_flush(writable + offset, count) }
    }

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        cpmem_store_release(writable + offset, word)
        if needsFlush { cpmem_flush(writable + offset, 8) }
    }

    package func drain(site: PersistSite) throws(StoreError) {
        cpmem_fence()
        if pool.faultCount > 0 { throw pool.faultError }
    }

    package func prepare(at offset: Int, count: Int) {
        _ = cpmem_populate_write(writable + offset, count)
    }

    package func close() { pool.close() }
}
