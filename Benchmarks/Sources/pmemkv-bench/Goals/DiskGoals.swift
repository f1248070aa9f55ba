import CBench
import Foundation

/// Durable puts where the kernel has to write back, by one writer and by many at once.
struct DiskGoals {
    private let place: GoalPlace
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) {
        self.place = place
        data = DataSet(keySize: 16, valueSize: 200, keys: 100_000, seed: place.plan.seed)
    }

    private struct Way {
        var io: String
        var rows: [(row: GoalRow, writers: Int)]
    }

    private static let ways = [
        Way(io: "mapped", rows: [(.msync1, 1), (.msync4, 4), (.msync16, 16)]),
        Way(io: "syscalls", rows: [(.syscalls1, 1), (.syscalls4, 4), (.syscalls16, 16)]),
    ]

    /// The bytes of a record of the store.
    private static let record = 256

    func measure() throws -> [GoalMeasurement] {
        var found: [GoalMeasurement] = []
        for way in Self.ways where way.rows.contains(where: { plan.rows.contains($0.row) }) {
            found += try measure(way)
        }
        return found
    }

    private func measure(_ way: Way) throws -> [GoalMeasurement] {
        let store = try place.open(
            .pmemkv, data, keys: data.keys, threads: 16, io: way.io, touches: false)
        let bare = try EngineRunner(
            BareDisk(directory: place.subdirectory(), record: Self.record), keys: data.codec,
            valueSizes: data.valueSizes)
        let puts = data.laps(.overwrite, rounds: 1, lap: 50_000)[0]
        let limit = RunLimit(
            ticks: CheapClock.shared.ticks(seconds: plan.isQuick ? 0.05 : 0.3),
            recordsLatency: true)
        func lane(_ name: String, _ runner: any Runner, writers: Int) -> Race.Lane {
            let streams = (0..<writers).map { writer in
                // Each begins elsewhere, so that no two write the same key at the same time.
                var mine = puts
                let first = puts.operations.count / writers * writer
                mine.operations = Array(puts.operations[first...] + puts.operations[..<first])
                mine.repeats = true
                return mine
            }
            return .init(name: name) { _ in Lap(try runner.run(streams, limit)) }
        }
        let race = try Race(
            rounds: plan.isQuick ? 3 : 9, warmUps: 1,
            [lane("bare", bare, writers: 1)]
                + way.rows.map { lane("\($0.writers)", store, writers: $0.writers) })
        try store.close()
        try bare.close()
        return way.rows.map { row, writers in
            let waiting = Format.nanoseconds(race.median("\(writers)") * Double(writers))
            return writers == 1
                ? race.ratio(row, "1", to: "bare", remark: place.directory)
                : race.ratio(
                    row, "\(writers)", to: "1", ofRates: true, remark: "a put waits \(waiting)")
        }
    }
}

/// One write and one wait for the disk after the other, over the same range again and again; the
/// blocks are there before.
private final class BareDisk: Engine {
    private let file: Int32
    private let record: Int
    private static let size = 16 << 20

    init(directory: String, record: Int) throws {
        let path = directory + "/bare"
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw BareDisk.failure("open") }
        self.record = record
        let zeroes = [UInt8](repeating: 0, count: 1 << 20)
        for offset in stride(from: 0, to: Self.size, by: zeroes.count) {
            guard pwrite(file, zeroes, zeroes.count, off_t(offset)) == zeroes.count else {
                throw BareDisk.failure("pwrite")
            }
        }
        guard fsync(file) == 0 else { throw BareDisk.failure("fsync") }
    }

    fileprivate static func failure(_ call: String) -> BenchError {
        BenchError("\(call): \(String(cString: strerror(errno)))")
    }

    let setup = "pwrite and fdatasync"
    func count() throws -> Int? { nil }
    func close() throws { Glibc.close(file) }

    func makeWorker(thread: Int) throws -> Worker { Worker(file: file, record: record) }

    struct Worker: EngineWorker {
        private let file: Int32
        private let record: [UInt8]
        private var offset = 0

        fileprivate init(file: Int32, record: Int) {
            self.file = file
            self.record = [UInt8](repeating: 0x5a, count: record)
        }

        mutating func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            guard pwrite(file, record, record.count, off_t(offset)) == record.count else {
                throw BareDisk.failure("pwrite")
            }
            guard fdatasync(file) == 0 else { throw BareDisk.failure("fdatasync") }
            offset = (offset + record.count) % BareDisk.size
        }

        func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int { throw BenchError("a bare file is only written") }

        func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            throw BenchError("a bare file is only written")
        }

        func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int { throw BenchError("a bare file is only written") }

        func finish() {}
    }
}
