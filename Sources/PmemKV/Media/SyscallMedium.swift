import CPmem
import Synchronization
import SystemPackage

/// read(2)/write(2) instead of a mapping: for media that cannot be mapped synchronously, and for
/// reading where a media error shall be an error number and not a signal.
///
/// Durable means fdatasync(2), shared by all who wait (see ``GroupCommit``).
final class SyscallMedium: FileMedium, @unchecked Sendable {
    private let bytes: Atomic<Int>
    private let file: PoolFile
    private let group = GroupCommit()

    init(file: PoolFile, size: Int) {
        self.file = file
        bytes = Atomic(size)
    }

    var size: Int { bytes.load(ordering: .acquiring) }

    var readBase: UnsafeRawPointer? { nil }
    var drainCoversAllThreads: Bool { true }
    var faultCount: Int { 0 }
    var attributes: FileAttributes? { file.attributes }
    var writeFailure: StoreError? { group.currentFailure }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe try file.read(at: offset, into: buffer)
    }

    func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe try file.readPastCache(at: offset, into: buffer)
    }

    func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        do throws(StoreError) {
            unsafe try file.write(source, at: offset)
        } catch {
            group.fail(error)
        }
    }

    func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        unsafe copy(source, to: offset, site: site)
    }

    func flush(at offset: Int, count: Int, site: PersistSite) {}

    func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        unsafe withUnsafeBytes(of: word.littleEndian) { unsafe copy($0, to: offset, site: site) }
    }

    func drain(site: PersistSite) throws(StoreError) {
        try group.commit { () throws(StoreError) in try file.dataSync() }
    }

    func awaitDrain() { group.awaitRound() }

    var firstUseIsSlow: Bool { true }

    /// All blocks become the file's with the next round, instead of some with each.
    func prepare(at offset: Int, count: Int) {
        _ = cpmem_populate_file(file.descriptor.rawValue, Int64(offset), count)
    }

    var growthObstacle: String? { nil }

    func grow(to bytes: Int, from used: Int) throws(StoreError) {
        try file.allocate(used..<bytes) { () throws(StoreError) in
            // Between rounds: a failure of this one must reach whoever waits for the next.
            try group.runOwnRound { () throws(StoreError) in try file.syncAll() }
        }
        self.bytes.store(max(size, bytes), ordering: .releasing)
    }

    func close() { file.close() }
}
