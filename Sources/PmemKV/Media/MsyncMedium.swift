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
final class MsyncMedium: FileMedium, @unchecked Sendable {
    private let pool: PoolMapping
    private let group = GroupCommit()
    private let words = SharedLines(1)
    private var lock: SpinLock { SpinLock(words[0]) }
    /// From the first page touched since the last round to the end of the last one.
    private var dirty = 0..<0

    init(pool: PoolMapping) {
        self.pool = pool
    }

    var size: Int { pool.length }
    var readBase: UnsafeRawPointer? { unsafe UnsafeRawPointer(pool.address) }
    var drainCoversAllThreads: Bool { true }
    var faultCount: Int { pool.faultCount }
    var attributes: FileAttributes? { pool.attributes }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: pool.address + offset, count: buffer.count))
    }

    /// Below a page cache there is a disk, below DAX without MAP_SYNC the memory itself.
    func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe cpmem_evict(pool.address + offset, buffer.count)
        unsafe try pool.readPastCache(at: offset, into: buffer)
    }

    func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        unsafe cpmem_copy_only(pool.address + offset, source.baseAddress, source.count)
        note(offset, source.count)
    }

    func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        unsafe copy(source, to: offset, site: site)
    }

    func flush(at offset: Int, count: Int, site: PersistSite) { note(offset, count) }

    func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        unsafe AtomicWord(pool.address + offset).storeRelease(word)
        note(offset, 8)
    }

    func drain(site: PersistSite) throws(StoreError) {
        try group.commit { () throws(StoreError) in try synchronise() }
        if pool.faultCount > 0 { throw pool.faultError }
    }

    func awaitDrain() { group.awaitRound() }

    var firstUseIsSlow: Bool { true }

    /// All blocks become the file's with the next round, instead of some with each.
    func prepare(at offset: Int, count: Int) {
        for start in stride(from: offset, to: offset + count, by: Self.preparedAtOnce) {
            let length = min(Self.preparedAtOnce, offset + count - start)
            if unsafe cpmem_populate_single_pages(pool.address + start, length) == 0 {
                note(start, length)
            }
        }
    }

    /// So that no round has to write much more than what waits for it.
    private static let preparedAtOnce = 256 << 10

    var growthObstacle: String? { pool.growthObstacle }

    func grow(to bytes: Int, from used: Int) throws(StoreError) {
        try pool.grow(to: bytes, from: used) { () throws(StoreError) in
            // Between rounds: a failure of this one must reach whoever waits for the next.
            try group.runOwnRound { () throws(StoreError) in
                try pool.file.syncAll()
                try synchronise()
            }
        }
    }

    func close() { pool.close() }

    private func note(_ offset: Int, _ count: Int) {
        let start = offset & ~(Medium.page - 1)
        let end = (offset + count + Medium.page - 1) & ~(Medium.page - 1)
        lock.lock()
        if dirty.isEmpty {
            dirty = start..<end
        } else {
            dirty = min(dirty.lowerBound, start)..<max(dirty.upperBound, end)
        }
        lock.unlock()
    }

    /// One msync from the first dirty page to the last. The kernel writes back only dirty pages in
    /// between, and a call costs a journal commit and a flush of the device, so that several calls
    /// for the scattered pages of several writers would cost more than the pages they leave out.
    private func synchronise() throws(StoreError) {
        lock.lock()
        let hull = dirty
        dirty = 0..<0
        lock.unlock()
        let range = hull.clamped(to: 0..<pool.length)
        guard !range.isEmpty else { return }
        do throws(Errno) {
            try pool.calls.uninterrupted { unsafe $0.syncMapping(pool.address, range) }
        } catch {
            throw StoreError(
                .io,
                """
                msync of \(range.count) bytes at offset \(range.lowerBound) of \(pool.path) \
                failed; what was not acknowledged may be lost, and the store refuses \
                writes until it is opened again
                """, cause: error)
        }
    }
}
