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
    let path: String
    let facts: PlaceFacts
    let isReadOnly: Bool
    private(set) var descriptor: FileDescriptor
    let calls: any PoolCalls
    private var isClosed = false
    private let forkCount = cpmem_fork_count()

    private init(
        path: String, facts: PlaceFacts, descriptor: FileDescriptor, readOnly: Bool,
        calls: any PoolCalls
    ) {
        self.path = path
        self.facts = facts
        self.descriptor = descriptor
        self.calls = calls
        isReadOnly = readOnly
    }

    deinit { close() }

    var isDevdax: Bool { facts.kind == .devdax }

    /// Opens and locks what is there.
    static func open(
        _ path: String, readOnly: Bool, calls: any PoolCalls = KernelCalls()
    ) throws(StoreError) -> PoolFile {
        let facts = PlaceFacts.inspect(path: path)
        if let refusal = facts.refusal {
            throw Self.error(refusal, facts, path)
        }
        if facts.kind == .missing {
            throw StoreError(
                .notFound, "no pool at \(path); 'pmemkv create \(path)' makes one",
                cause: .noSuchFileOrDirectory)
        }
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                FilePath(path), readOnly ? .readOnly : .readWrite, options: [.closeOnExec])
        } catch {
            throw Self.openError(error, path, readOnly: readOnly)
        }
        let file = PoolFile(
            path: path, facts: facts, descriptor: descriptor, readOnly: readOnly, calls: calls)
        try file.lock()
        return file
    }

    /// Creates a file of size bytes with all its blocks allocated, or takes a devdax device.
    static func create(
        _ path: String, size: Int?, overwrite: Bool, calls: any PoolCalls = KernelCalls()
    ) throws(StoreError) -> PoolFile {
        let facts = PlaceFacts.inspect(path: path)
        if let refusal = facts.refusal { throw Self.error(refusal, facts, path, creating: true) }
        if facts.kind == .devdax {
            if size != nil {
                throw StoreError(
                    .invalidArgument, "\(path) is a devdax device: a pool takes all of it, no size")
            }
            return try open(path, readOnly: false, calls: calls)
        }
        guard let size else {
            throw StoreError(.invalidArgument, "a pool in a file needs a size")
        }
        return try createFile(
            path, facts: facts, size: size, overwrite: overwrite, calls: calls)
    }

    private static func createFile(
        _ path: String, facts: PlaceFacts, size: Int, overwrite: Bool, calls: any PoolCalls
    ) throws(StoreError) -> PoolFile {
        let exists = facts.kind != .missing
        if exists && !overwrite {
            throw StoreError(
                .alreadyExists, "\(path) already exists; overwriting destroys what is in it",
                cause: .fileExists)
        }
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                FilePath(path), .readWrite,
                options: exists ? [.closeOnExec] : [.closeOnExec, .create, .exclusiveCreate],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
        } catch {
            let errno = (error as? Errno) ?? .ioError
            throw StoreError(.cannotCreate, "cannot create \(path)", cause: errno)
        }
        // The file exists now, so the facts about it are its own (a new file inherits DAX).
        let file = PoolFile(
            path: path, facts: .inspect(path: path), descriptor: descriptor, readOnly: false,
            calls: calls)
        try file.lock()
        do throws(StoreError) {
            try file.allocate(size)
            try file.syncDirectory()
        } catch {
            if !exists { unsafe unlink(path) }
            throw error
        }
        return file
    }

    private func allocate(_ size: Int) throws(StoreError) {
        let fd = descriptor.rawValue
        do throws(Errno) {
            try calls.uninterrupted { $0.truncate(fd, to: 0) }
        } catch {
            throw StoreError(Self.creationCode(error), "cannot empty \(path)", cause: error)
        }
        do throws(Errno) {
            try calls.uninterrupted { $0.allocate(fd, size) }
            try calls.uninterrupted { $0.syncAll(fd) }
        } catch {
            _ = ftruncate(fd, 0)
            throw StoreError(
                Self.creationCode(error), "cannot allocate \(size) bytes for \(path)", cause: error)
        }
    }

    /// A medium that fails is not the same as a place where no pool can be made.
    private static func creationCode(_ cause: Errno) -> StoreError.Code {
        cause == .ioError ? .io : .cannotCreate
    }

    /// Makes the file's name durable: what is acknowledged later would be lost with it.
    ///
    /// A directory that may be written but not read cannot be synchronised, and some file systems
    /// have no such call for directories; nothing more can be done about those.
    private func syncDirectory() throws(StoreError) {
        guard let directory = try? FileDescriptor.open(FilePath(facts.parentPath), .readOnly)
        else { return }
        defer { try? directory.close() }
        do throws(Errno) {
            try calls.uninterrupted { $0.syncAll(directory.rawValue) }
        } catch {
            guard error != .invalidArgument, error != .notSupported else { return }
            throw StoreError(
                Self.creationCode(error), "cannot make the name \(path) durable", cause: error)
        }
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
                    """
                    \(path) is in use by \(holders ?? "another store"): one writer, or any number \
                    of readers, may have a pool open; try again when that has ended
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

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if cpmem_fork_count() == forkCount { _ = flock(descriptor.rawValue, LOCK_UN) }
        try? descriptor.close()
    }

    private static func error(
        _ refusal: PlaceFacts.Refusal, _ facts: PlaceFacts, _ path: String, creating: Bool = false
    ) -> StoreError {
        let message = "\(refusal.reason). \(refusal.remedy)"
        switch facts.kind {
        case .devdax: return StoreError(.refused, message)
        case .missing:
            return StoreError(creating ? .cannotCreate : .notFound, message, cause: facts.failure)
        default: return StoreError(creating ? .cannotCreate : .notAPool, message)
        }
    }

    private static func openError(
        _ error: any Error, _ path: String, readOnly: Bool
    ) -> StoreError {
        let cause = (error as? Errno) ?? .ioError
        switch cause {
        case .noSuchFileOrDirectory:
            return StoreError(.notFound, "no pool at \(path)", cause: cause)
        case .permissionDenied, .readOnlyFileSystem, .notPermitted:
            return StoreError(
                readOnly ? .io : .readOnly,
                "\(path) may not be opened for \(readOnly ? "reading" : "writing")", cause: cause)
        default:
            return StoreError(.io, "cannot open \(path)", cause: cause)
        }
    }
}
