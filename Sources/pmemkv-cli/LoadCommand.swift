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
            A file is read through first: one that is no complete dump, or has a key too long \
            for the pool, is refused before anything is stored. Of a pipe what came before the \
            fault is stored. The exit status is 65 both times. \
            Records of a database that the dump names go into the table of that name, with \
            --table all into that one; it is made if it is not there.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    @Argument(help: "The dump; '-' or nothing for standard input.", completion: .file())
    var file: PoolPath?

    @OptionGroup var quiet: QuietOption

    func run() throws {
        let input = try ByteInput(file)
        try pool.withStore(readOnly: false) { store in
            let progress = Progress(quiet)
            defer { progress.end() }
            try refuseWrong(input, store, progress)
            var loader = BatchLoader(store: store, progress: progress)
            do {
                try load(input, &loader)
                try loader.finish()
            } catch {
                throw loader.explained(error)
            }
        }
    }

    private func load(_ input: ByteInput, _ loader: inout BatchLoader) throws {
        do {
            try read(input, for: loader.store) { dump in
                loader.line = dump.line
                let table = table.table ?? dump.database.map { String(decoding: $0, as: UTF8.self) }
                try loader.add(dump.key, dump.value, to: table)
            }
        } catch let error as TextError {
            // What is complete is stored, so that the count in the message is right.
            try loader.flush()
            throw error
        }
    }

    /// Reads all of a file that can be read a second time, so that a fault at its end is found
    /// before anything is stored.
    private func refuseWrong(
        _ input: ByteInput, _ store: PmemStore, _ progress: Progress
    ) throws {
        guard let start = input.position else { return }
        do {
            try read(input, for: store) { dump in
                progress.show("lines checked: \(dump.line)")
            }
        } catch let error as TextError {
            throw Failure(ExitStatus.badData, "\(error); nothing was stored")
        }
        try input.rewind(to: start)
    }

    /// Goes through the records of a whole dump that this pool can hold.
    private func read(
        _ input: ByteInput, for store: PmemStore, _ body: (DumpParser) throws -> Void
    ) throws {
        var parser = DumpParser()
        let lengths = 1...store.maximumKeyLength
        while let line = try input.nextLine() {
            guard try parser.parse(line) == .record else { continue }
            guard lengths ~= parser.key.count else {
                throw TextError(
                    line: parser.line - 1,
                    "a key of \(parser.key.count.counted("byte")); this pool takes 1 to "
                        + "\(lengths.upperBound) bytes")
            }
            try body(parser)
        }
        try parser.finish()
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
    private var records: [(key: [UInt8], value: [UInt8], table: String?)] = []
    private var bytes = 0
    private var stored = 0
    let progress: Progress

    init(store: PmemStore, progress: Progress) {
        self.store = store
        self.progress = progress
    }

    mutating func add(_ key: [UInt8], _ value: [UInt8], to table: String?) throws {
        records.append((key, value, table))
        bytes += key.count + value.count
        if records.count >= Self.maximumRecords || bytes >= Self.maximumBytes { try flush() }
    }

    /// Stores what has been collected. A batch needs room for all of it; in a nearly full pool
    /// some of its records may still fit.
    mutating func flush() throws {
        guard !records.isEmpty else { return }
        batch.removeAll()
        for record in records {
            batch.put(record.value, forKey: record.key, in: record.table)
        }
        do throws(StoreError) {
            try store.apply(batch)
            stored += records.count
        } catch {
            guard error.code == .outOfSpace else { throw error }
            for record in records {
                var one = WriteBatch()
                one.put(record.value, forKey: record.key, in: record.table)
                try store.apply(one)
                stored += 1
            }
        }
        records.removeAll(keepingCapacity: true)
        bytes = 0
        progress.show("records stored: \(stored)")
    }

    mutating func finish() throws {
        try flush()
        progress.summarise(stored.counted("record") + " stored")
    }

    /// The error with what has been stored before it.
    func explained(_ error: any Error) -> any Error {
        let were = stored == 1 ? "was" : "were"
        let done = "; \(stored.counted("record")) before that \(were) stored"
        switch error {
        case let error as TextError:
            return Failure(ExitStatus.badData, error.description + done)
        case let error as StoreError:
            return error.saying("line \(line): " + error.message + done)
        default: return error
        }
    }
}
