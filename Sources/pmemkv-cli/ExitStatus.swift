// Exit statuses: the one place that knows them, and how a failure leaves the program.

import ArgumentParser
import Glibc
import PmemKV
import PmemKVText

enum ExitStatus {
    static let notFound: Int32 = 1
    static let outOfSpace: Int32 = 28
    static let usage: Int32 = 64
    static let badData: Int32 = 65
    static let noSuchPool: Int32 = 66
    static let cannotCreate: Int32 = 73
    static let inputOutput: Int32 = 74
    static let locked: Int32 = 75
    /// What a shell reports for a program that SIGPIPE ended.
    static let brokenPipe: Int32 = 141

    /// The status of an error of the library.
    static func of(_ code: StoreError.Code) -> Int32 {
        switch code {
        case .notFound: noSuchPool
        case .alreadyExists, .cannotCreate: cannotCreate
        case .notAPool, .corrupt, .unsupportedVersion, .incomplete: badData
        case .locked: locked
        case .outOfSpace: outOfSpace
        case .invalidArgument, .unsupported: usage
        default: inputOutput
        }
    }

    /// The status of any error that a command throws.
    static func of(_ error: any Error) -> Int32 {
        switch error {
        case let error as StoreError: of(error.code)
        case let error as Failure: error.status
        case is TextError: usage
        default: Pmemkv.exitCode(for: error).rawValue
        }
    }
}

/// A failure of the command itself.
struct Failure: Error {
    let status: Int32
    /// nil: nothing is said, the status tells all.
    let message: String?

    init(_ status: Int32, _ message: String?) {
        self.status = status
        self.message = message
    }

    /// Ends the program with the status of the error and its message on standard error.
    static func exit(_ error: any Error) -> Never {
        switch error {
        case let error as StoreError: Diagnostics.print(error.description)
        case let error as Failure:
            if let message = error.message { Diagnostics.print(message) }
        default: tell(parsing: error)
        }
        Glibc.exit(ExitStatus.of(error))
    }

    /// What the parser of arguments has to say: help and the like are results, and a result that
    /// cannot be written is an error as any other.
    private static func tell(parsing error: any Error) {
        let text = Pmemkv.fullMessage(for: error)
        guard Pmemkv.exitCode(for: error) == .success else {
            return Diagnostics.write(Usage.explained(error, text))
        }
        do throws(Failure) {
            try ByteOutput().printLine(text)
        } catch {
            exit(error)
        }
    }
}

/// Lines on standard error.
enum Diagnostics {
    /// Keys, paths and words in a message may hold anything; a terminal gets no command from them.
    static func print(_ message: String) {
        write("pmemkv: " + EscapedText.printable(message) + "\n")
    }

    static func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
