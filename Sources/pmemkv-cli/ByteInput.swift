import Glibc
import PmemKV
import PmemKVText
import PmemPlaces
import SystemPackage

/// Bytes of standard input or a file, by pieces as they arrive, by lines, or all of them.
final class ByteInput {
    private let descriptor: Int32
    private let name: String
    private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    private var splitter = LineSplitter()
    private var isAtEnd = false

    /// Standard input for nil and `-`.
    init(_ file: PoolPath? = nil) throws(Failure) {
        if let file, file.shown != "-" {
            name = file.shown
            do throws(Errno) {
                descriptor = try FileDescriptor.openFile(file.path, O_RDONLY).rawValue
            } catch {
                let isMissing = error == .noSuchFileOrDirectory
                throw Failure(
                    isMissing ? ExitStatus.noSuchPool : ExitStatus.inputOutput,
                    "cannot open \(name): \(error)")
            }
        } else {
            name = "standard input"
            descriptor = STDIN_FILENO
            // Told here, before anything else is done.
            if read(descriptor, piece.baseAddress, 0) < 0, errno == EBADF {
                throw Failure(
                    ExitStatus.inputOutput, "standard input is closed, or not open for reading")
            }
        }
    }

    deinit {
        piece.deallocate()
        if descriptor != STDIN_FILENO { close(descriptor) }
    }

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// The next bytes, as soon as there are any; nil at the end.
    private func nextPiece() throws(Failure) -> UnsafeRawBufferPointer? {
        while true {
            let count = read(descriptor, piece.baseAddress, piece.count)
            if count > 0 { return UnsafeRawBufferPointer(rebasing: piece[..<count]) }
            if count == 0 { return nil }
            let cause = Errno(rawValue: errno)
            guard cause == .interrupted else {
                throw Failure(ExitStatus.inputOutput, "cannot read \(name): \(cause)")
            }
        }
    }

    /// Everything to the end.
    func readAll() throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        while let next = try nextPiece() { bytes.append(contentsOf: next) }
        return bytes
    }

    /// The next line without its newline; a last line need not have one.
    func nextLine() throws(Failure) -> ArraySlice<UInt8>? {
        while true {
            if let line = splitter.next() { return line }
            if isAtEnd { return splitter.finish() }
            if let next = try nextPiece() {
                splitter.append(next)
            } else {
                isAtEnd = true
            }
        }
    }

    /// Where the input stands, when it can be read a second time from there; nil for a pipe and
    /// whatever else is no file. For use before anything is read.
    var position: Int? {
        let here = lseek(descriptor, 0, SEEK_CUR)
        var status = stat()
        guard here >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG
        else { return nil }
        return here
    }

    /// Goes back to where the input stood before.
    func rewind(to position: Int) throws(Failure) {
        guard lseek(descriptor, position, SEEK_SET) == position else {
            throw Failure(
                ExitStatus.inputOutput,
                "cannot read \(name) a second time: \(Errno(rawValue: errno))")
        }
        splitter = LineSplitter()
        isAtEnd = false
    }
}
