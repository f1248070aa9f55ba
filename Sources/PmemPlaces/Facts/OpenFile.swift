// The one way a file is opened: with close-on-exec, and never as standard input, output or error,
// even in a program that runs with those closed (see cpmem_descriptors.h).

import CPmem
import Glibc
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

extension FilePath {
    /// The path for a message: bytes that are no text show as `\xNN`.
    package var shown: String {
        if let text = String(validating: self) { return text }
        let bytes = unsafe withPlatformString { start in
            unsafe UnsafeBufferPointer(start: start, count: strlen(start))
                .map { UInt8(bitPattern: $0) }
        }
        // A path is text in which some bytes do not fit: what is ASCII shows as it is.
        return bytes.map { byte in
            (0x20..<0x7F).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    /// The path with all links followed; nil when nothing is there.
    package func resolvingLinks() -> FilePath? {
        var buffer = [CChar](repeating: 0, count: 8192)
        let failure = unsafe withPlatformString {
            unsafe cpmem_place_resolve($0, &buffer, buffer.count)
        }
        return failure == 0 ? FilePath(platformString: buffer) : nil
    }

    /// What a symbolic link at this path says; nil when there is none.
    package func linkContent() -> FilePath? {
        var buffer = [CChar](repeating: 0, count: 8192)
        let count = unsafe withPlatformString { unsafe readlink($0, &buffer, buffer.count - 1) }
        return count >= 0 ? FilePath(platformString: buffer) : nil
    }

    /// The directory the file is in, or would be in. O(bytes); removingLastComponent() takes their
    /// square for a long name.
    package var directory: FilePath {
        unsafe withPlatformString { start in
            let bytes = unsafe UnsafeBufferPointer(start: start, count: strlen(start))
            guard let slash = unsafe bytes.lastIndex(of: 47) else { return "." }
            return unsafe FilePath(platformString: Array(bytes[..<max(slash, 1)]) + [0])
        }
    }

    /// The directories the path goes through, the innermost first.
    var ancestors: [FilePath] {
        var all = [directory]
        while let last = all.last, last != "/", last != "." { all.append(last.directory) }
        return all
    }
}

extension Errno {
    /// What the last call of the C library left.
    package static var current: Errno { Errno(rawValue: errno) }
}

/// Standard input, output and error.
package enum StandardDescriptors {
    /// Keeps those that are closed from being given to a file, for the rest of the process: they
    /// stay as unusable as they are. To be called before anything is opened.
    package static func occupy() { _ = cpmem_fill_standard() }
}
