import Glibc
import SystemPackage

/// read(2)/write(2) instead of a mapping: for media that cannot be mapped synchronously, and for
/// reading where a media error shall be an error number and not a signal.
///
/// Durable means fdatasync(2), shared by all who wait (see ``GroupCommit``).
package final class SyscallMedium: PersistentMedium, @unchecked Sendable {
    package let size: Int
    private let file: PoolFile
    private let group = GroupCommit()

    init(file: PoolFile, size: Int) {
        self.file = file
        self.size = size
    }

    package var readBase: UnsafeRawPointer? { nil }
    package var drainCoversAllThreads: Bool { true }
    package var faultCount: Int { 0 }
    package var writeFailure: StoreError? { group.currentFailure }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe try file.read(at: offset, into: buffer)
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        do throws(StoreError) {
            unsafe try file.write(source, at: offset)
        } catch {
            group.fail(error)
        }
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        unsafe copy(source, to: offset, site: site)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {}

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        unsafe withUnsafeBytes(of: word.littleEndian) { unsafe copy($0, to: offset, site: site) }
    }

    package func drain(site: PersistSite) throws(StoreError) {
        try group.commit { () throws(StoreError) in try file.dataSync() }
    }

    package func prepare(at offset: Int, count: Int) {}
    package func close() { file.close() }
}
