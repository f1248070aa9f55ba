import CPmem
import Glibc
import SystemPackage

/// A mapping that the kernel does not keep durable by itself: page cache, virtio-pmem, tmpfs.
///
/// Durable means msync(2) over every page touched; flushing the processor's cache proves nothing
/// here. Waiting writers share one round (see ``GroupCommit``).
///
/// Invariant: a page enters ``dirty`` before the copy that touches it returns, and leaves it only
/// into a round whose msync calls come after.
package final class MsyncMedium: PersistentMedium, @unchecked Sendable {
    private let pool: PoolMapping
    private let group = GroupCommit()
    private let lock = SpinLock(word: .allocate(byteCount: 8, alignment: 8))
    private var dirty: [Range<Int>] = []
    private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    init(pool: PoolMapping) {
        self.pool = pool
        lock.word.storeBytes(of: 0, as: UInt64.self)
    }

    deinit { lock.word.deallocate() }

    package var size: Int { pool.length }
    package var readBase: UnsafeRawPointer? { UnsafeRawPointer(pool.address) }
    package var drainCoversAllThreads: Bool { true }
    package var faultCount: Int { pool.faultCount }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: pool.address + offset, count: buffer.count))
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        cpmem_copy_only(pool.address + offset, source.baseAddress, source.count)
        note(offset, source.count)
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        copy(source, to: offset, site: site)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) { note(offset, count) }

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        cpmem_store_release(pool.address + offset, word)
        note(offset, 8)
    }

    package func drain(site: PersistSite) throws(StoreError) {
        try group.commit { () throws(StoreError) in try synchronise() }
        if pool.faultCount > 0 { throw pool.faultError }
    }

    package func prepare(at offset: Int, count: Int) {}
    package func close() { pool.close() }

    private func note(_ offset: Int, _ count: Int) {
        let start = offset & ~(Self.page - 1)
        let end = (offset + count + Self.page - 1) & ~(Self.page - 1)
        lock.lock()
        if let last = dirty.last, last.lowerBound <= start, start <= last.upperBound {
            dirty[dirty.count - 1] = last.lowerBound..<max(last.upperBound, end)
        } else {
            dirty.append(start..<end)
        }
        lock.unlock()
    }

    private func synchronise() throws(StoreError) {
        lock.lock()
        var ranges = dirty
        dirty.removeAll(keepingCapacity: true)
        lock.unlock()
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var index = 0
        while index < ranges.count {
            var range = ranges[index]
            index += 1
            while index < ranges.count, ranges[index].lowerBound <= range.upperBound {
                range = range.lowerBound..<max(range.upperBound, ranges[index].upperBound)
                index += 1
            }
            let count = min(range.upperBound, pool.length) - range.lowerBound
            if msync(pool.address + range.lowerBound, count, MS_SYNC) != 0 {
                let cause = Errno(rawValue: errno)
                throw StoreError(
                    .io, """
                        msync of \(count) bytes at offset \(range.lowerBound) of \(pool.path) \
                        failed; what was not acknowledged may be lost, and the store refuses \
                        writes until it is opened again
                        """, cause: cause)
            }
        }
    }
}
