import CPmem
import Glibc
import PmemPlaces
import SystemPackage

/// An open, locked pool: a file or a devdax device.
///
/// Invariants:
/// - The lock (flock, of the whole file) is held from before the first byte is read until
///   ``close()``: exclusively by a writer, shared by readers. The kernel drops it when the
///   process dies, so no stale lock remains.
/// - The lock belongs to all copies of the descriptor, and a child between fork(2) and exec(2) has
///   one. So closing gives the lock up by word, or it would stay for as long as that child takes;
///   in a child itself closing must not take the parent's lock away.
/// - Everything later goes through this descriptor, never through the path again, so that a
///   rename cannot bring in another file.
final class PoolFile: @unchecked Sendable {
    /// As messages have it.
    let path: String
    /// Where it could be found when it was opened.
    let location: FilePath
    let facts: PlaceFacts
    let isReadOnly: Bool
    let descriptor: FileDescriptor
    let calls: any PoolCalls
    private var isClosed = false
    private let forkCount = cpmem_fork_count()

    private init(
        path: String, location: FilePath, facts: PlaceFacts, descriptor: FileDescriptor,
        readOnly: Bool, calls: any PoolCalls
    ) {
        self.path = path
        self.location = location
        self.facts = facts
        self.descriptor = descriptor
        self.calls = calls
        isReadOnly = readOnly
    }

    deinit { close() }

    var isDevdax: Bool { facts.kind == .devdax }

    /// Owner and mode; nil when the system does not tell.
    var attributes: FileAttributes? { FileAttributes(of: descriptor) }

    /// Opens and locks what is there.
    static func open(
        _ place: PoolPath, readOnly: Bool, calls: any PoolCalls = KernelCalls()
    ) throws(StoreError) -> PoolFile {
        while true {
            let facts = place.inspect()
            if let refusal = facts.refusal { throw error(refusal, facts) }
            if facts.kind == .missing {
                // A reader has no use for a pool that is new.
                throw StoreError(
                    .notFound,
                    telling: "no pool at \(place.shown); "
                        + (readOnly
                            ? "check the spelling"
                            : "make one first (pmemkv create \(place.shown.shellWord))"),
                    cause: .noSuchFileOrDirectory)
            }
            let descriptor: FileDescriptor
            do throws(Errno) {
                descriptor = try FileDescriptor.openFile(place.path, readOnly ? O_RDONLY : O_RDWR)
            } catch {
                throw Self.openError(error, place.shown, readOnly: readOnly)
            }
            let file = PoolFile(
                path: place.shown, location: place.path, facts: facts, descriptor: descriptor,
                readOnly: readOnly, calls: calls)
            try file.lock()
            // Between opening and locking another pool may have taken the name: whoever goes on
            // with the old one would write where nobody will ever look.
            if file.hasItsName { return file }
            file.close()
        }
    }

    /// The file of a new pool, locked. It has its own descriptor, for the same lock.
    convenience init(
        _ new: UnfinishedFile, of place: PoolPath, calls: any PoolCalls
    ) throws(StoreError) {
        let facts: PlaceFacts
        do throws(Errno) {
            // The facts about the file are its own (a new one inherits DAX).
            var status = try PathStatus.of(new.path)
            status.resolvedPath = place.shown
            facts = .inspect(path: place.shown, root: SystemRoot(), status: status)
        } catch {
            throw StoreError(.io, "cannot look at the new file for \(place.shown)", cause: error)
        }
        let descriptor = cpmem_duplicate(new.descriptor.rawValue)
        guard descriptor >= 0 else {
            throw StoreError(
                .cannotCreate, "no descriptor for \(place.shown)", cause: Errno.current)
        }
        self.init(
            path: place.shown, location: new.path, facts: facts,
            descriptor: FileDescriptor(rawValue: descriptor), readOnly: false, calls: calls)
        try lock()
    }

    /// Whether the path still leads to this very file.
    private var hasItsName: Bool {
        var own = stat()
        var named = stat()
        guard unsafe fstat(descriptor.rawValue, &own) == 0,
            unsafe location.withPlatformString({ unsafe stat($0, &named) }) == 0
        else { return false }
        return own.st_dev == named.st_dev && own.st_ino == named.st_ino
    }

    private func lock() throws(StoreError) {
        let mode = (isReadOnly ? LOCK_SH : LOCK_EX) | LOCK_NB
        guard flock(descriptor.rawValue, mode) == 0 else {
            let cause = Errno(rawValue: errno)
            let holders = facts.status.flatMap {
                LockHolders.description(of: descriptor.rawValue, on: $0.device)
            }
            close()
            if cause == .wouldBlock {
                throw StoreError(
                    .locked,
                    telling: """
                        \(path) is in use by \(holders ?? "another store"): one writer, or any \
                        number of readers, may have a pool open; try again when that has ended
                        """, cause: cause)
            }
            throw StoreError(.io, "cannot lock \(path)", cause: cause)
        }
    }

    /// Bytes there are now, asked of the kernel each time.
    func currentSize() throws(StoreError) -> Int {
        if isDevdax {
            guard let size = facts.devices.first?.sizeBytes, size > 0 else {
                throw StoreError(.io, "the size of \(path) is not in sysfs")
            }
            return size
        }
        var status = stat()
        guard unsafe fstat(descriptor.rawValue, &status) == 0 else {
            throw StoreError(
                .io, "cannot ask for the size of \(path)", cause: Errno(rawValue: errno))
        }
        return Int(status.st_size)
    }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        unsafe try read(descriptor, at: offset, into: buffer)
    }

    /// Reads past the page cache where the file system can do that, whole pages.
    func readPastCache(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let direct = cpmem_reopen_direct(descriptor.rawValue)
        if direct >= 0 {
            defer { Glibc.close(direct) }
            do throws(StoreError) {
                return unsafe try read(
                    FileDescriptor(rawValue: direct), at: offset, into: buffer)
            } catch {
                // The file system opens such files and has other ideas of their use.
                guard error.cause == .invalidArgument else { throw error }
            }
        }
        _ = posix_fadvise(
            descriptor.rawValue, off_t(offset), off_t(buffer.count), POSIX_FADV_DONTNEED)
        unsafe try read(at: offset, into: buffer)
    }

    private func read(
        _ descriptor: FileDescriptor, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        var done = 0
        while done < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count: Int
            do throws(Errno) {
                count = try calls.uninterrupted {
                    unsafe $0.read(descriptor.rawValue, into: rest, at: offset + done)
                }
            } catch {
                throw StoreError(
                    error == .ioError ? .media : .io,
                    "cannot read \(buffer.count) bytes at offset \(offset) of \(path)",
                    cause: error)
            }
            guard count > 0 else {
                throw StoreError(
                    .io, "\(path) ends before offset \(offset + buffer.count): it was truncated")
            }
            done += count
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            var cause: Errno?
            do throws(Errno) {
                let count = try calls.uninterrupted {
                    unsafe $0.write(descriptor.rawValue, rest, at: offset + done)
                }
                done += count
                // No progress and no reason: trying again could go on for ever.
                if count > 0 { continue }
            } catch {
                cause = error
            }
            throw StoreError(
                .io,
                """
                cannot write \(bytes.count) bytes at offset \(offset) of \(path); the \
                store refuses writes until it is opened again
                """, cause: cause)
        }
    }

    func dataSync() throws(StoreError) {
        do throws(Errno) {
            try calls.uninterrupted { $0.syncData(descriptor.rawValue) }
        } catch {
            throw StoreError(
                .io,
                """
                fdatasync of \(path) failed; what was not acknowledged may be lost, and the \
                store refuses writes until it is opened again
                """, cause: error)
        }
    }

    /// Makes everything about the file durable, its length included.
    func syncAll() throws(StoreError) {
        do throws(Errno) {
            try calls.uninterrupted { $0.syncAll(descriptor.rawValue) }
        } catch {
            throw StoreError(
                .io,
                """
                fsync of \(path) failed; what was not acknowledged may be lost, and the \
                store refuses writes until it is opened again
                """, cause: error)
        }
    }

    /// Gives the file blocks for a range, behind which it may become longer, and has them made
    /// durable. When that fails the file is as long as it was.
    ///
    /// - Throws: `outOfSpace` when there is no room; what `sync` throws.
    func allocate(
        _ range: Range<Int>, sync: () throws(StoreError) -> Void
    ) throws(StoreError) {
        let length = try currentSize()
        do throws(StoreError) {
            do throws(Errno) {
                try calls.uninterrupted { $0.allocate(descriptor.rawValue, range) }
            } catch {
                let isFull = [.noSpace, .diskQuotaExceeded, .fileTooLarge].contains(error)
                throw StoreError(
                    isFull ? .outOfSpace : .io,
                    "cannot allocate \(range.count) bytes more for \(path), which stays as it is",
                    cause: error)
            }
            try sync()
        } catch {
            cutBack(to: length)
            throw error
        }
    }

    /// Takes back what a growth that failed has added to the file. Where that fails, too, the file
    /// is longer than the pool, which does no harm.
    func cutBack(to length: Int) { _ = ftruncate(descriptor.rawValue, off_t(length)) }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if cpmem_fork_count() == forkCount { _ = flock(descriptor.rawValue, LOCK_UN) }
        try? descriptor.close()
    }

    static func error(
        _ refusal: PlaceFacts.Refusal, _ facts: PlaceFacts, creating: Bool = false
    ) -> StoreError {
        let message = "\(refusal.reason). \(refusal.remedy)"
        switch facts.kind {
        case .devdax: return StoreError(.refused, message)
        case .missing:
            return StoreError(
                creating ? .cannotCreate : .notFound, telling: message, cause: facts.failure)
        default: return StoreError(creating ? .cannotCreate : .notAPool, message)
        }
    }

    private static func openError(
        _ cause: Errno, _ path: String, readOnly: Bool
    ) -> StoreError {
        switch cause {
        case .noSuchFileOrDirectory:
            return StoreError(.notFound, telling: "no pool at \(path)", cause: cause)
        case .permissionDenied, .readOnlyFileSystem, .notPermitted:
            return StoreError(
                readOnly ? .io : .readOnly,
                "\(path) may not be opened for \(readOnly ? "reading" : "writing")", cause: cause)
        default:
            return StoreError(.io, "cannot open \(path)", cause: cause)
        }
    }
}
