import Glibc
import PmemKV
import Synchronization
import SystemPackage

/// One system call that goes wrong.
package struct CallFault: Sendable, CustomStringConvertible {
    package enum Call: Sendable, CaseIterable {
        case read, write, syncData, syncAll, syncMapping, allocate
    }

    package enum Kind: Sendable, Equatable {
        /// The call does nothing and says why.
        case error(Errno)
        /// The call does half of what it should and says so; the next one does as it should.
        case short
        /// The call does half of what it should, and the next one nothing.
        case shortThenError(Errno)
        /// The call does nothing and names no reason.
        case nothing
    }

    package var call: Call
    package var kind: Kind
    /// The number of the call, from 0, among those of its sort.
    package var number: Int

    package init(_ call: Call, _ kind: Kind, number: Int = 0) {
        self.call = call
        self.kind = kind
        self.number = number
    }

    /// Whether the store has to get over it without a word.
    package var isHarmless: Bool { kind == .short || kind == .error(.interrupted) }

    /// What the store is told, where it is told a number.
    package var cause: Errno? {
        switch kind {
        case .error(let cause), .shortThenError(let cause): cause
        case .short, .nothing: nil
        }
    }

    package var description: String { "\(call) number \(number): \(kind)" }
}

/// The kernel's calls on one file, one of which goes wrong, over a disk that keeps only what it
/// was told to.
///
/// The calls act on the real file, but those that synchronise copy it to ``disk`` instead of
/// waiting for a device. So what a power failure leaves in the worst case is known exactly; in the
/// best case it is the file as it stands. One call at a time, whatever the threads do.
package final class FaultyCalls: PoolCalls, @unchecked Sendable {
    private let kernel = KernelCalls()
    private let fault: CallFault
    private let turn = Mutex(())
    private var count = 0
    private var nextFails = false
    /// Whether it came to the fault.
    package private(set) var hasFailed = false
    /// The file as of the last synchronisation of each of its parts.
    package private(set) var disk: [UInt8] = []
    /// Synchronisations that succeeded after one had failed: their success proves nothing.
    package private(set) var trustedAfterFailure = 0
    private var syncHasFailed = false

    package init(_ fault: CallFault) { self.fault = fault }

    package func read(
        _ file: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> Int {
        answer(.read) { half in
            let part = half ? Self.half(buffer.count) : buffer.count
            return kernel.read(
                file, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<part]), at: offset)
        }
    }

    package func write(_ file: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        answer(.write) { half in
            let part = half ? Self.half(bytes.count) : bytes.count
            return kernel.write(file, UnsafeRawBufferPointer(rebasing: bytes[..<part]), at: offset)
        }
    }

    /// About half of so many bytes. An aligned word is not torn: the kernel copies it in one go.
    private static func half(_ count: Int) -> Int { max(min(count, 8), count / 2 & ~7) }

    package func syncData(_ file: CInt) -> Int { sync(.syncData) { copyFile(file) } }
    package func syncAll(_ file: CInt) -> Int { sync(.syncAll) { copyFile(file) } }

    package func syncMapping(_ base: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int {
        precondition(Int(bitPattern: base + range.lowerBound) % 4096 == 0, "msync takes pages")
        return sync(.syncMapping) {
            grow(to: range.upperBound)
            disk.replaceSubrange(
                range, with: UnsafeRawBufferPointer(start: base, count: range.upperBound)[range])
        }
    }

    package func allocate(_ file: CInt, _ range: Range<Int>) -> Int {
        answer(.allocate) { _ in kernel.allocate(file, range) }
    }

    /// Answers one call: `run` does it, or half of it.
    private func answer(_ call: CallFault.Call, _ run: (_ half: Bool) -> Int) -> Int {
        turn.withLock { _ in answerInTurn(call, run) }
    }

    private func answerInTurn(_ call: CallFault.Call, _ run: (_ half: Bool) -> Int) -> Int {
        guard call == fault.call else { return run(false) }
        defer { count += 1 }
        if nextFails {
            nextFails = false
            return -Int(fault.cause?.rawValue ?? EIO)
        }
        guard count == fault.number else { return run(false) }
        hasFailed = true
        switch fault.kind {
        case .error(let cause): return -Int(cause.rawValue)
        case .nothing: return 0
        case .short: return run(true)
        case .shortThenError:
            nextFails = true
            return run(true)
        }
    }

    private func sync(_ call: CallFault.Call, _ keep: () -> Void) -> Int {
        turn.withLock { _ in
            let result = answerInTurn(call) { _ in
                keep()
                return 0
            }
            if result == 0 {
                if syncHasFailed { trustedAfterFailure += 1 }
            } else if result != -Int(EINTR) {
                syncHasFailed = true
            }
            return result
        }
    }

    private func copyFile(_ file: CInt) {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
        disk = [UInt8](repeating: 0, count: Int(status.st_size))
        let done = disk.withUnsafeMutableBytes { kernel.read(file, into: $0, at: 0) }
        precondition(done == disk.count, "a local file is read in one go")
    }

    private func grow(to size: Int) {
        if disk.count < size { disk += [UInt8](repeating: 0, count: size - disk.count) }
    }
}
