import ArgumentParser
import Glibc
import PmemKV
import PmemKVText

extension IOPath: ExpressibleByArgument {}

extension MediumRequirement: ExpressibleByArgument {}

/// The pool of a command and how it is opened.
struct PoolArguments: ParsableArguments {
    @Argument(help: "The pool: a file or a devdax device.", completion: .file())
    var pool: PoolPath

    @Option(
        help: .init(
            "How the bytes are reached: read(2) and write(2) with 'syscalls'.",
            valueName: "auto|mapped|syscalls"))
    var io: IOPath = .automatic

    @Option(
        help: .init(
            """
            Refuse a medium where a write is not known to survive a loss of power ('durable'), or \
            takes a system call for that ('sync-dax').
            """,
            valueName: "sync-dax|durable"))
    var require: MediumRequirement?

    func options(readOnly: Bool) -> OpenOptions {
        var options = OpenOptions()
        options.readOnly = readOnly
        options.io = io
        options.requirement = require
        return options
    }

    /// Opens the pool for body and closes it behind it, even when body failed.
    ///
    /// A command that only reads takes a shared lock and changes no byte.
    func withStore<R>(readOnly: Bool, _ body: (PmemStore) throws -> R) throws -> R {
        let store = try PmemStore.open(at: pool, options: options(readOnly: readOnly))
        if !readOnly { noteVolatile(store.mediumInfo) }
        let result: R
        do {
            result = try body(store)
        } catch {
            try? store.close()
            throw error
        }
        try store.close()
        return result
    }
}

extension PoolArguments {
    /// Who writes at a terminal is told that it will not last; a script that has chosen such a
    /// place would only be told again and again.
    private func noteVolatile(_ info: MediumInfo) {
        guard !info.isDurable, isatty(STDERR_FILENO) == 1 else { return }
        Diagnostics.print("note: \(info.path) is \(info.guarantee)")
    }
}

/// Whether arguments and output are hexadecimal.
struct HexOption: ParsableArguments {
    @Flag(name: .customLong("hex"), help: "Keys and values are hexadecimal.")
    var isHex = false

    /// The bytes an argument stands for.
    func bytes(_ argument: String) throws -> [UInt8] {
        guard isHex else { return [UInt8](argument.utf8) }
        guard let bytes = Hex.decode(argument) else {
            throw Failure(
                ExitStatus.usage,
                "'\(argument)' is not hexadecimal: --hex wants two digits for each byte")
        }
        return bytes
    }
}

struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON object (\"schema\": 1).")
    var isJSON = false
}

extension ByteSize {
    /// The value of an option.
    init(option text: String) throws {
        do throws(TextError) {
            self = try ByteSize(parsing: text)
        } catch {
            throw ValidationError(error.message)
        }
    }
}

extension Int {
    /// So many bytes in the largest unit of which they are a whole number.
    var inUnits: String { ByteSize(bytes: self).inUnits ?? counted("byte") }
}

/// Runs what makes a new pool, and tells what this command does about something that is there.
func onExisting<R>(
    _ path: PoolPath, _ remedy: String, _ body: () throws -> R
) throws -> R {
    do {
        return try body()
    } catch let error as StoreError where error.code == .alreadyExists {
        throw StoreError(.alreadyExists, "\(path.shown) already exists; \(remedy)")
    }
}

extension Failure {
    static let noSuchKey = Failure(ExitStatus.notFound, "no such key")
    static let noSuchTable = Failure(ExitStatus.notFound, "no such table")
}
