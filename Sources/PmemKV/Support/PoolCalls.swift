import Glibc
import SystemPackage

/// The system calls that reach a pool's bytes or make them durable, each as the kernel answers
/// it: short counts, interruptions, and error numbers below zero. A test can make any of them fail.
///
/// The mapped flush-and-fence path makes none of them.
package protocol PoolCalls: Sendable {
    /// pread(2).
    func read(_ file: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int
    /// pwrite(2).
    func write(_ file: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int
    /// fdatasync(2).
    func syncData(_ file: CInt) -> Int
    /// fsync(2), of a file or a directory.
    func syncAll(_ file: CInt) -> Int
    /// msync(2) of a range of a mapping.
    func syncMapping(_ base: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int
    /// posix_fallocate(3).
    func allocate(_ file: CInt, _ range: Range<Int>) -> Int
}

extension PoolCalls {
    /// Repeats a call for as long as signals interrupt it, and throws its error number.
    ///
    /// An interrupted synchronisation has failed to wait, not to write: nothing is marked clean
    /// that is not, so that the repetition covers all of it.
    @discardableResult
    func uninterrupted(_ call: (Self) -> Int) throws(Errno) -> Int {
        while true {
            let result = call(self)
            if result >= 0 { return result }
            let error = Errno(rawValue: CInt(-result))
            if error != .interrupted { throw error }
        }
    }
}

/// The kernel itself.
package struct KernelCalls: PoolCalls {
    package init() {}

    package func read(
        _ file: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> Int {
        unsafe result(pread(file, buffer.baseAddress, buffer.count, off_t(offset)))
    }

    package func write(_ file: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        unsafe result(pwrite(file, bytes.baseAddress, bytes.count, off_t(offset)))
    }

    package func syncData(_ file: CInt) -> Int { result(Int(fdatasync(file))) }
    package func syncAll(_ file: CInt) -> Int { result(Int(fsync(file))) }

    package func syncMapping(_ base: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int {
        unsafe result(Int(msync(base + range.lowerBound, range.count, MS_SYNC)))
    }

    package func allocate(_ file: CInt, _ range: Range<Int>) -> Int {
        -Int(posix_fallocate(file, off_t(range.lowerBound), off_t(range.count)))
    }

    private func result(_ value: Int) -> Int { value < 0 ? -Int(errno) : value }
}
