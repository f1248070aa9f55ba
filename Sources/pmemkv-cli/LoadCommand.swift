import ArgumentParser
import PmemKV
import PmemKVText

struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Put the records of a dump, of this program or of mdb_dump, into a pool.",
        discussion: """
            Later records of a key replace earlier ones and what the pool held. Records are \
            stored in atomic batches, in the order of the dump; one by one where a nearly full \
            pool has no room for a batch. Done means that all are durable. \
            A file without DATA=END is refused before anything is stored; when a pipe ends \
            without it, what came before is stored, and the exit status is 65.
            """)

    @OptionGroup var pool: PoolArguments

    @Argument(help: "The dump; '-' or nothing for standard input.", completion: .file())
    var file: PoolPath?

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let input = try ByteInput(file)
        try pool.withStore(readOnly: false) { store in
            try refuseIncomplete(input)
            var loader = BatchLoader(store: store, progress: Progress(quiet))
            do {
                try load(input, &loader)
                try loader.finish()
            } catch {
                loader.progress.end()
                throw loader.explained(error)
            }
        }
    }

    private func load(_ input: ByteInput, _ loader: inout BatchLoader) throws {
        var parser = DumpParser()
        do {
            while let line = try input.nextLine() {
                loader.line = parser.line + 1
                if try parser.parse(line) == .record {
                    try loader.add(parser.key, parser.value)
                }
            }
            try parser.finish()
        } catch let error as TextError {
            // What is complete is stored, so that the count in the message is right.
            try loader.flush()
            throw error
        }
    }

    /// Looks for DATA=END where that is possible before reading all of the input.
    private func refuseIncomplete(_ input: ByteInput) throws {
        guard let end = input.peekAtEnd(count: 64) else { return }
        let lines = end.split(separator: 10)
        guard !end.isEmpty, let last = lines.last else { return }
        // The parser tells what is wrong with other line ends.
        guard !last.elementsEqual("DATA=END".utf8), last.last != 13 else { return }
        throw Failure(
            ExitStatus.badData,
            "the dump ends without DATA=END: it is incomplete, or no dump; nothing was stored")
    }
}

/// Collects records into batches, which take fewer fences, and shows how far it has come.
private struct BatchLoader {
    private static let maximumRecords = 512
    private static let maximumBytes = 256 << 10

    let store: PmemStore
    /// The line of the dump that is being read.
    var line = 0
    private var batch = WriteBatch()
    private var records: [(key: [UInt8], value: [UInt8])] = []
    private var bytes = 0
    private var stored = 0
    let progress: Progress

    init(store: PmemStore, progress: Progress) {
        self.store = store
        self.progress = progress
    }

    mutating func add(_ key: [UInt8], _ value: [UInt8]) throws {
        guard 1...store.maximumKeyLength ~= key.count else {
            throw TextError(
                line: line - 1,
                "a key of \(key.count) bytes; this pool takes 1 to \(store.maximumKeyLength) bytes")
        }
        records.append((key, value))
        bytes += key.count + value.count
        if records.count >= Self.maximumRecords || bytes >= Self.maximumBytes { try flush() }
    }

    /// Stores what has been collected. A batch needs room for all of it; in a nearly full pool
    /// some of its records may still fit.
    mutating func flush() throws {
        guard !records.isEmpty else { return }
        batch.removeAll()
        for record in records { batch.put(record.value, forKey: record.key) }
        do throws(StoreError) {
            try store.apply(batch)
            stored += records.count
        } catch {
            guard error.code == .outOfSpace else { throw error }
            for record in records {
                try store.put(record.value, forKey: record.key)
                stored += 1
            }
        }
        records.removeAll(keepingCapacity: true)
        bytes = 0
        progress.show("records stored: \(stored)")
    }

    mutating func finish() throws {
        try flush()
        progress.summarise("\(stored) record\(stored == 1 ? "" : "s") stored")
    }

    /// The error with what has been stored before it.
    func explained(_ error: any Error) -> any Error {
        let done = "; \(stored) records before that were stored"
        switch error {
        case let error as TextError:
            return Failure(ExitStatus.badData, error.description + done)
        case let error as StoreError:
            return StoreError(
                error.code, "line \(line): " + error.message + done, cause: error.cause)
        default: return error
        }
    }
}
