import CPmem
import Glibc
import PmemPlaces
import SystemPackage

/// A file that gets its name when it is complete.
///
/// Invariants:
/// - Until then whoever opens the path finds what was there before, or nothing; what ends the
///   process meanwhile leaves that as it was.
/// - It is made without a name where the file system can do that: until ``publish()`` nothing of it
///   is left behind, whatever happens. Elsewhere, and for as long as it takes the place of another
///   file, it has a temporary name beside the path, which is removed with this object, and by the
///   signals that end the command. SIGKILL and the loss of power leave it there.
final class UnfinishedFile {
    let descriptor: FileDescriptor
    private let destination: FilePath
    private let shown: String
    private let replaces: Bool
    private let calls: any PoolCalls
    private var temporary: TemporaryName?

    /// - Parameters:
    ///   - destination: the path to be, links followed.
    ///   - replaces: whether a file is there that this one takes the place of.
    ///   - attributes: owner and mode to be, those of the file replaced or copied; nil for those
    ///     of any new file.
    init(
        at destination: FilePath, shown: String, replaces: Bool, attributes: FileAttributes?,
        calls: any PoolCalls
    ) throws(StoreError) {
        self.destination = destination
        self.shown = shown
        self.replaces = replaces
        self.calls = calls
        // Nobody but the owner opens it before it has its attributes.
        let mode: UInt32 = attributes == nil ? 0o644 : 0o600
        let nameless = unsafe destination.directory.withPlatformString {
            unsafe cpmem_open_nameless($0, mode)
        }
        if nameless >= 0 {
            descriptor = FileDescriptor(rawValue: nameless)
        } else {
            let name = TemporaryName(beside: destination)
            temporary = name
            do throws(Errno) {
                descriptor = try FileDescriptor.openFile(
                    name.path, O_RDWR | O_CREAT | O_EXCL, mode: mode)
            } catch {
                throw StoreError(
                    .cannotCreate,
                    "cannot make a file in the directory \(destination.directory.shown), to "
                        + "\(replaces ? "take the place of" : "become") \(shown)", cause: error)
            }
        }
        do throws(Errno) {
            try attributes?.give(to: descriptor, mustKeepOwner: replaces)
        } catch {
            throw StoreError(
                .cannotCreate,
                "a file that takes the place of \(shown) cannot be given its owner and mode; its "
                    + "owner, or root, can do this", cause: error)
        }
    }

    deinit {
        temporary?.remove()
        try? descriptor.close()
    }

    /// Where the file can be found for as long as it is unfinished.
    var path: FilePath {
        temporary?.path ?? FilePath("/proc/thread-self/fd/\(descriptor.rawValue)")
    }

    /// Makes the file's blocks and inode durable.
    func allocate(_ size: Int) throws(StoreError) {
        let fd = descriptor.rawValue
        do throws(Errno) {
            try calls.uninterrupted { $0.allocate(fd, 0..<size) }
            try calls.uninterrupted { $0.syncAll(fd) }
        } catch {
            throw StoreError(
                Self.creationCode(error),
                "cannot allocate \(size) bytes for "
                    + (replaces ? "a file beside \(shown), which stays as it is" : shown),
                cause: error)
        }
    }

    /// Gives the file its name, durably. The caller has made its contents durable.
    func publish() throws(StoreError) {
        if let cause = takeName() {
            let isTaken = cause == .fileExists
            guard !isTaken else {
                throw StoreError(
                    .alreadyExists,
                    telling: "\(shown) has come into being meanwhile; it was left as it is",
                    cause: cause)
            }
            throw StoreError(
                Self.creationCode(cause), "cannot give the new pool the name \(shown)",
                cause: cause)
        }
        do throws(StoreError) {
            try syncDirectory()
        } catch {
            // What was replaced cannot be brought back, and the new file is complete.
            if !replaces { unsafe destination.withPlatformString { _ = unsafe unlink($0) } }
            throw error
        }
    }

    private func takeName() -> Errno? {
        func error(_ number: CInt) -> Errno? { number == 0 ? nil : Errno(rawValue: number) }
        if !replaces {
            let failure = unsafe destination.withPlatformString { destination in
                guard let temporary else {
                    return unsafe cpmem_name_file(descriptor.rawValue, destination)
                }
                return unsafe temporary.path.withPlatformString {
                    unsafe cpmem_rename_to_new($0, destination)
                }
            }
            if failure == 0 { temporary = nil }
            return error(failure)
        }
        let name = temporary ?? TemporaryName(beside: destination)
        if temporary == nil {
            temporary = name
            let failure = unsafe name.path.withPlatformString {
                unsafe cpmem_name_file(descriptor.rawValue, $0)
            }
            if failure != 0 { return error(failure) }
        }
        let failure = unsafe name.path.withPlatformString { from in
            unsafe destination.withPlatformString { unsafe rename(from, $0) == 0 ? 0 : errno }
        }
        if failure == 0 { temporary = nil }
        return error(failure)
    }

    /// Makes the file's name durable: what is acknowledged later would be lost with it.
    ///
    /// A directory that may be written but not read cannot be synchronised, and some file systems
    /// have no such call for directories; nothing more can be done about those.
    private func syncDirectory() throws(StoreError) {
        guard let directory = try? FileDescriptor.openFile(destination.directory, O_RDONLY)
        else { return }
        defer { try? directory.close() }
        do throws(Errno) {
            try calls.uninterrupted { $0.syncAll(directory.rawValue) }
        } catch {
            guard error != .invalidArgument, error != .notSupported else { return }
            throw StoreError(
                Self.creationCode(error), "cannot make the name \(shown) durable", cause: error)
        }
    }

    /// A medium that fails is not the same as a place where no pool can be made.
    private static func creationCode(_ cause: Errno) -> StoreError.Code {
        cause == .ioError ? .io : .cannotCreate
    }
}

/// A name that is there only until something is complete; a signal that ends the command removes
/// it, once ``UnfinishedFiles/removeOnSignals()`` was called.
private final class TemporaryName {
    let path: FilePath
    private let slot: CInt

    init(beside other: FilePath) {
        path = other.directory.appending(".pmemkv-\(String(cpmem_random64(), radix: 16))")
        slot = unsafe path.withPlatformString { unsafe cpmem_unfinished_add($0) }
    }

    deinit { cpmem_unfinished_remove(slot) }

    func remove() { unsafe path.withPlatformString { _ = unsafe unlink($0) } }
}

/// For a program that may be interrupted while it makes a pool.
package enum UnfinishedFiles {
    /// Has SIGINT, SIGTERM and SIGHUP remove temporary names before they end the process.
    package static func removeOnSignals() { cpmem_unfinished_watch_signals() }
}
