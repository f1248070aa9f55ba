import CPmem
import Glibc
import PmemKV

/// Memory that many threads may write at once and where every store is durable. What comes behind
/// the close of the store on it kills the process.
package final class MemoryMedium: PersistentMedium, @unchecked Sendable {
    package let size: Int
    private let base: UnsafeMutableRawPointer

    package init(size: Int) {
        self.size = size
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(memory != MAP_FAILED)
        base = memory!
    }

    deinit { munmap(base, size) }

    package var readBase: UnsafeRawPointer? { UnsafeRawPointer(base) }
    package var drainCoversAllThreads: Bool { false }
    package var faultCount: Int { 0 }

    /// To be called before the next store opens the pool.
    package func reopen() { mprotect(base, size, PROT_READ | PROT_WRITE) }
    package func close() { mprotect(base, size, PROT_NONE) }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        buffer.copyMemory(from: UnsafeRawBufferPointer(start: base + offset, count: buffer.count))
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        precondition(offset >= 0 && offset + source.count <= size)
        guard let bytes = source.baseAddress else { return }
        (base + offset).copyMemory(from: bytes, byteCount: source.count)
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        copy(source, to: offset, site: site)
    }

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        precondition(offset % 8 == 0 && offset + 8 <= size)
        cpmem_store_release(base + offset, word)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {}
    package func drain(site: PersistSite) throws(StoreError) {}
    package func prepare(at offset: Int, count: Int) {}
}
