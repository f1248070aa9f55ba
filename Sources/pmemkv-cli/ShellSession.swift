import PmemKV
import PmemKVText

/// The commands of `pmemkv shell`.
///
/// Invariant: each line that holds a word gets exactly one line of reply, and a reply that
/// acknowledges a write is written after the write has become durable. What went wrong is known to
/// the end: who sends commands through a pipe may look at nothing but the exit status.
struct ShellSession {
    let store: PmemStore
    /// The table that all commands work on; nil for the keys of none.
    let table: String?
    private let keys: any KeySpace
    let output: ByteOutput
    private(set) var isOver = false
    /// The batch between multi and exec.
    private var batch: WriteBatch?
    private var batchIsBroken = false
    private var lines = 0
    private var errors = 0
    /// The first error, with the line it was in.
    private var firstError: (status: Int32, line: Int)?

    init(store: PmemStore, table: TableOption, output: ByteOutput) throws {
        self.store = store
        self.table = table.table
        keys = try table.keys(of: store)
        self.output = output
    }

    /// Carries out one line and adds the reply to the output.
    mutating func reply(to line: ArraySlice<UInt8>) {
        lines += 1
        do {
            let words = try ShellWords.split(line)
            guard let name = words.first else { return }
            try run(String(decoding: name, as: UTF8.self), Array(words.dropFirst()))
        } catch {
            if batch != nil { batchIsBroken = true }
            errors += 1
            if firstError == nil { firstError = (ExitStatus.of(error), lines) }
            // A reply is one line, whatever the message holds and however far a value has come.
            output.buffer.removeAll(keepingCapacity: true)
            output.write("(error) \(EscapedText.printable("\(error)"))\n")
        }
    }

    /// Why a script that was carried out to this point has failed; nil when it has not.
    var failure: Failure? {
        if let firstError {
            let what = errors == 1 ? "was an error" : "were \(errors) errors, the first"
            return Failure(firstError.status, "there \(what) in line \(firstError.line)")
        }
        guard batch != nil else { return nil }
        return Failure(
            ExitStatus.usage, "the input ended between multi and exec: nothing of it was stored")
    }

    /// Words for the same that the command line and redis-cli know.
    private static let aliases = ["set": "put", "delete": "del", "ls": "scan"]

    private mutating func run(_ name: String, _ arguments: [[UInt8]]) throws {
        let word = name.lowercased()
        let lower = Self.aliases[word] ?? word
        if batch != nil { return try runInBatch(lower, arguments) }
        switch (lower, arguments.count) {
        case ("put", 2):
            try keys.put(arguments[1], forKey: arguments[0], durability: .durable)
            output.write("OK\n")
        case ("get", 1): try get(arguments[0])
        case ("del", 1...):
            try replyInteger(arguments.count { try keys.remove($0, durability: .durable) })
        case ("exists", 1...): try replyInteger(arguments.count { try keys.contains($0) })
        case ("count", 0): replyInteger(keys.count)
        case ("scan", 0...1): try scan(prefix: arguments.first ?? [])
        case ("multi", 0):
            batch = WriteBatch()
            batchIsBroken = false
            output.write("OK\n")
        case ("exec", 0), ("discard", 0): throw TextError("\(lower) without multi")
        case ("sync", 0):
            try store.sync()
            output.write("OK\n")
        case ("quit", 0): quit()
        default: throw Self.misuse(name)
        }
    }

    private mutating func runInBatch(_ name: String, _ arguments: [[UInt8]]) throws {
        switch (name, arguments.count) {
        case ("put", 2):
            try Self.checkKeys(arguments.prefix(1), maximum: store.maximumKeyLength)
            let table = table
            batch?.put(arguments[1], forKey: arguments[0], in: table)
            output.write("QUEUED\n")
        case ("del", 1...):
            try Self.checkKeys(arguments[...], maximum: PmemStore.maximumKeyLength)
            let table = table
            for key in arguments { batch?.remove(key, in: table) }
            output.write("QUEUED\n")
        case ("exec", 0): try exec()
        case ("discard", 0):
            batch = nil
            output.write("OK\n")
        case ("quit", 0): quit()
        case ("multi", 0): throw TextError("multi inside multi")
        case ("get", _), ("exists", _), ("count", _), ("scan", _), ("sync", _):
            throw TextError("\(name) inside multi; only put and del can be queued")
        default: throw Self.misuse(name)
        }
    }

    private mutating func exec() throws {
        guard let batch else { return }
        self.batch = nil
        if batchIsBroken {
            throw TextError("nothing was stored: a command of this batch had an error")
        }
        try store.apply(batch)
        output.write("OK\n")
    }

    private mutating func quit() {
        isOver = true
        output.write("OK\n")
    }

    private func get(_ key: [UInt8]) throws {
        let value: Void? = try keys.withValue(forKey: key) { value in
            value.withUnsafeBytes { ShellWords.quote($0, into: &output.buffer) }
        }
        output.write(value == nil ? "(nil)\n" : "\n")
    }

    private func scan(prefix: [UInt8]) throws {
        var isFirst = true
        try keys.scan(.prefix(prefix)) { key, value in
            if !isFirst { output.buffer.append(UInt8(ascii: " ")) }
            isFirst = false
            key.withUnsafeBytes { ShellWords.quote($0, into: &output.buffer) }
            output.buffer.append(UInt8(ascii: " "))
            value.withUnsafeBytes { ShellWords.quote($0, into: &output.buffer) }
            return output.flushIfLarge()
        }
        output.write(isFirst ? "(empty)\n" : "\n")
    }

    private func replyInteger(_ number: Int) {
        output.write("(integer) \(number)\n")
    }

    /// The store checks keys only when the batch is applied; here the line at fault is known.
    private static func checkKeys(
        _ keys: ArraySlice<[UInt8]>, maximum: Int
    ) throws(TextError) {
        for key in keys where !(1...maximum ~= key.count) {
            throw TextError("a key has 1 to \(maximum) bytes here, not \(key.count)")
        }
    }

    private static func misuse(_ name: String) -> TextError {
        switch name.lowercased() {
        case "put": TextError("usage: put KEY VALUE")
        case "get": TextError("usage: get KEY")
        case "del": TextError("usage: del KEY ...")
        case "exists": TextError("usage: exists KEY ...")
        case "scan": TextError("usage: scan [PREFIX]")
        case "count", "multi", "exec", "discard", "sync", "quit":
            TextError("\(name) takes no argument")
        default:
            TextError(
                "unknown command '\(name)'; there are put, get, del, exists, count, scan, multi, "
                    + "exec, discard, sync, quit")
        }
    }
}
