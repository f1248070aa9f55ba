// The one way a file is opened: with close-on-exec, and never as standard input, output or error,
// even in a program that runs with those closed (see cpmem_descriptors.h).

import CPmem
import SystemPackage

extension FileDescriptor {
    /// open(2). Interruptions are not told.
    ///
    /// - Parameters:
    ///   - flags: O_RDONLY, O_RDWR, ... as open(2) has them.
    ///   - mode: the permissions of a file that is created, before umask(2).
    package static func openFile(
        _ path: FilePath, _ flags: CInt, mode: UInt32 = 0
    ) throws(Errno) -> FileDescriptor {
        let descriptor = unsafe path.withPlatformString { unsafe cpmem_open($0, flags, mode) }
        guard descriptor >= 0 else { throw Errno.current }
        return FileDescriptor(rawValue: descriptor)
    }
}

extension Errno {
    /// What the last call of the C library left.
    package static var current: Errno { Errno(rawValue: cpmem_errno()) }
}

/// Standard input, output and error.
package enum StandardDescriptors {
    /// Keeps those that are closed from being given to a file, for the rest of the process: they
    /// stay as unusable as they are. To be called before anything is opened.
    package static func occupy() { _ = cpmem_fill_standard() }
}
