import CBench
import Foundation

/// Everything that decides a `goals` run.
struct GoalPlan: Codable, Sendable {
    /// Directory of the medium.
    var path: String
    /// PMEM_IS_PMEM_FORCE=1 was set because the place is no persistent memory.
    var forcedPmem: Bool
    /// Directory on a disk.
    var disk: String
    var keys: Int
    var isQuick: Bool
    var rows: [GoalRow]
    var seed: UInt64

    /// Rounds of a race, and operations of a lap: some milliseconds.
    var rounds: Int { isQuick ? 5 : 31 }
    var lap: Int { isQuick ? 4_000 : 20_000 }
    /// Rounds in which a data set is loaded. The first quarter, with a small table, does not count.
    var fillRounds: Int { isQuick ? 8 : 40 }
    /// Keys of the rows that look at a store which is overwritten for a long time: of some dozen
    /// segments at least.
    var sustainedKeys: Int { max(20_000, keys / 4) }
    /// Keys of the rows that look at opening.
    var recoveryKeys: Int { keys / 2 * 5 }
}

/// What a child process is told: one scenario, in a process of its own.
struct GoalTask: Codable, Sendable {
    var scenario: GoalScenario
    var plan: GoalPlan
    var clock: CheapClock
}

/// Rows that are measured together, in one process.
enum GoalScenario: String, Codable, CaseIterable, Sendable {
    case points, small, large, ordered, memory, recovery, threads, sustained, compaction, disk

    var rows: [GoalRow] {
        switch self {
        case .points:
            [
                .put, .overwrite, .get, .getDependent, .miss, .delete, .batch8, .batch64,
                .transaction, .multiGet,
            ]
        case .small: [.smallPut, .smallOverwrite, .smallGet, .smallGetDependent, .smallMiss]
        case .large: [.put4K, .put64K]
        case .ordered:
            [
                .orderedPut, .orderedOverwrite, .orderedRemove, .scanRate, .scan,
                .scanOverwritten, .readseq, .readseqOverwritten,
            ]
        case .memory: [.dramHash, .dramOrdered, .orderedOpenClean, .orderedOpenKill]
        case .recovery: [.recoveryClean, .recoveryKill]
        case .threads: [.put2, .get2]
        case .sustained:
            [
                .tail50, .tail70, .tail90, .p9999At50, .p9999At70, .p9999At90, .max50, .max70,
                .max90, .writes50, .writes70, .writes90, .writesZipfian90,
            ]
        case .compaction: [.compaction]
        case .disk: [.msync1, .msync4, .msync16, .syscalls1, .syscalls4, .syscalls16]
        }
    }

    /// Whether it runs where the kernel has to make writes durable.
    var isOnDisk: Bool { self == .disk }

    func measure(_ plan: GoalPlan) throws -> [GoalMeasurement] {
        let place = try GoalPlace(plan, on: isOnDisk ? plan.disk : plan.path)
        defer { place.remove() }
        let found =
            switch self {
            case .points: try PointGoals(place, .large).measure()
            case .small: try PointGoals(place, .small).measure()
            case .large: try LargeGoals(place).measure()
            case .ordered: try OrderedGoals(place).measure()
            case .memory: try OpeningGoals(place).measureMemory()
            case .recovery: try OpeningGoals(place).measureRecovery()
            case .threads: try ThreadGoals(place).measure()
            case .sustained: try SustainedGoals(place).measure()
            case .compaction: try CompactionGoal(place).measure()
            case .disk: try DiskGoals(place).measure()
            }
        return found.filter { plan.rows.contains($0.row) }
    }
}

/// A directory for one scenario, and the engines in it.
final class GoalPlace {
    let plan: GoalPlan
    let directory: String
    private var opened = 0

    init(_ plan: GoalPlan, on path: String) throws {
        self.plan = plan
        directory = path + "/pmemkv-bench-goals-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }

    func wants(_ rows: GoalRow...) -> Bool { rows.contains { plan.rows.contains($0) } }

    /// A new directory for one engine.
    func subdirectory() throws -> String {
        opened += 1
        let path = directory + "/\(opened)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    func profile(_ data: DataSet, keys: Int, threads: Int = 1) -> DatasetProfile {
        DatasetProfile(
            keys: keys, keySizes: data.keySizes, valueSizes: data.valueSizes, threads: threads,
            processors: ProcessInfo.processInfo.activeProcessorCount, writesPerKey: 1)
    }

    /// Opens an empty engine in a directory of its own. The file system has given a store all of
    /// its pages before: to ask for them is no work of the store's, and the floors do not do it
    /// either.
    ///
    /// - Parameters:
    ///   - keys: what its pool is sized for.
    ///   - touches: false where the store itself takes its pages into use, as on a disk. There the
    ///     file system would have them in pieces of up to 1 MiB if all were asked for at once, and
    ///     write a whole one back for each byte that changes in it.
    func open(
        _ kind: EngineKind, _ data: DataSet, keys: Int, threads: Int = 1, io: String = "auto",
        touches: Bool = true
    ) throws -> any Runner {
        let path = try subdirectory()
        let place = EnginePlace(
            kind: kind, path: path, profile: profile(data, keys: keys, threads: threads),
            store: StoreOptions(io: io), isFresh: true)
        let runner = try place.perform(
            OpenRunner(keys: try data.codec, valueSizes: data.valueSizes))
        if kind.isOurs, touches { try Self.touch(path + "/store.pool") }
        return runner
    }

    /// Lets a file have all of its pages.
    static func touch(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        defer { Glibc.close(descriptor) }
        var facts = stat()
        guard descriptor >= 0, fstat(descriptor, &facts) == 0,
            let pages = mmap(
                nil, Int(facts.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
            pages != MAP_FAILED
        else { throw BenchError("cannot map \(path): \(String(cString: strerror(errno)))") }
        defer { munmap(pages, Int(facts.st_size)) }
        // What is dirty is written back now and not beside what is measured.
        guard bench_populate(pages, Int(facts.st_size)) == 0, fsync(descriptor) == 0 else {
            throw BenchError("no room for \(path): \(String(cString: strerror(errno)))")
        }
    }
}

/// Sizes of keys and values, and streams of operations on them in laps.
struct DataSet {
    let keySizes: SizeDistribution
    let valueSizes: SizeDistribution
    let keys: Int
    let seed: UInt64

    init(keySize: Int, valueSize: Int, keys: Int, seed: UInt64) {
        keySizes = SizeDistribution("\(keySize)")!
        valueSizes = SizeDistribution("\(valueSize)")!
        self.keys = keys
        self.seed = seed
    }

    var codec: KeyCodec { get throws { try KeyCodec(sizes: keySizes) } }

    /// A workload cut into laps. A fill's laps are all of it, others have `lap` operations each.
    func laps(
        _ workload: Workload, rounds: Int, lap: Int = 0, seed: UInt64 = 0,
        as kind: ((Int) -> Operation.Kind)? = nil
    ) -> [OperationStream] {
        let builder = StreamBuilder(
            keys: keys, operationsPerThread: max(1, rounds * lap), threads: 1,
            seed: self.seed &+ seed)
        let all = builder.build(workload, version: 1, firstInsert: keys)[0].operations
        let size = max(1, lap == 0 ? all.count / rounds : min(lap, all.count / rounds))
        return (0..<rounds).map { round in
            var operations = Array(all[round * size..<(round + 1) * size])
            if lap == 0 && round == rounds - 1 { operations += all[(rounds * size)...] }
            if let kind {
                for at in operations.indices { operations[at].kind = kind(at) }
            }
            return OperationStream(operations: operations, repeats: false, version: 1)
        }
    }

    /// Keeps the operations on one half of the keys.
    func half(_ upper: Bool, of streams: [OperationStream]) -> [OperationStream] {
        streams.map { stream in
            var mine = stream
            mine.operations.removeAll { (Int($0.index) >= keys / 2) != upper }
            return mine
        }
    }
}
