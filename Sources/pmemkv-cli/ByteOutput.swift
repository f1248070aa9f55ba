import Glibc
import PmemKV
import SystemPackage

/// Buffered bytes to a file descriptor.
///
/// Invariant: after a write(2) has failed nothing more is written; ``flush()`` throws why. So the
/// body of a scan, which cannot throw, needs only ask whether to go on.
final class ByteOutput {
    private let descriptor: Int32
    /// What has not been written yet; commands append to it.
    var buffer: [UInt8] = []
    private var failure: Failure?
    private static let threshold = 64 << 10

    init(_ descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
        // Known at once, so that a command need not find out after it has done its work.
        if Glibc.write(descriptor, "", 0) < 0, errno == EBADF {
            failure = Failure(
                ExitStatus.inputOutput, "standard output is closed, or not open for writing")
        }
    }

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Writes the buffer when it has grown large; call after each record. False after a failure.
    @discardableResult
    func flushIfLarge() -> Bool {
        if buffer.count >= Self.threshold { writeBuffer() }
        return failure == nil
    }

    /// Writes everything, or throws the first failure there was.
    func flush() throws(Failure) {
        writeBuffer()
        if let failure { throw failure }
    }

    /// Writes bytes, large ones straight from where they are.
    func write(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count < Self.threshold {
            buffer.append(contentsOf: bytes)
            flushIfLarge()
        } else {
            writeBuffer()
            put(bytes)
        }
    }

    func write(_ text: String) { buffer.append(contentsOf: text.utf8) }

    /// Writes a whole text and a newline, at once.
    func printLine(_ text: String) throws(Failure) {
        write(text + "\n")
        try flush()
    }

    private func writeBuffer() {
        buffer.withUnsafeBytes { put($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func put(_ bytes: UnsafeRawBufferPointer) {
        var done = 0
        while done < bytes.count && failure == nil {
            let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count >= 0 {
                done += count
            } else if errno == EPIPE {
                failure = Failure(ExitStatus.brokenPipe, nil)
            } else if errno != EINTR {
                let cause = Errno(rawValue: errno)
                failure = Failure(ExitStatus.inputOutput, "cannot write the output: \(cause)")
            }
        }
    }
}
