import CBench
import Foundation
import PmemKV

/// Overwrites that go on until a pool's segments are as old as they get, at several degrees of
/// fullness.
struct SustainedGoals {
    private let place: GoalPlace
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) {
        self.place = place
        data = DataSet(
            keySize: 16, valueSize: 200, keys: place.plan.sustainedKeys, seed: place.plan.seed)
    }

    /// The rows of one degree of fullness; a skewed distribution has no goals for single puts.
    private struct Level {
        var percent: Int
        var isZipfian = false
        var tail: GoalRow?
        var p9999: GoalRow?
        var max: GoalRow?
        var writes: GoalRow
    }

    private static let levels = [
        Level(
            percent: 50, tail: .tail50, p9999: .p9999At50, max: .max50, writes: .writes50),
        Level(
            percent: 70, tail: .tail70, p9999: .p9999At70, max: .max70, writes: .writes70),
        Level(
            percent: 90, tail: .tail90, p9999: .p9999At90, max: .max90, writes: .writes90),
        Level(percent: 90, isZipfian: true, writes: .writesZipfian90),
    ]

    func measure() throws -> [GoalMeasurement] {
        var found: [GoalMeasurement] = []
        for level in Self.levels {
            let rows = [level.tail, level.p9999, level.max, level.writes].compactMap { $0 }
            guard rows.contains(where: plan.rows.contains) else { continue }
            found += try measure(level)
        }
        return found
    }

    private func measure(_ level: Level) throws -> [GoalMeasurement] {
        let pool = try StorePool(
            in: place.subdirectory(), data, fullness: Double(level.percent) / 100)
        var keys = KeyChoice(data, isZipfian: level.isZipfian)
        for stream in data.laps(.fillrandom, rounds: 1) { _ = try pool.runner.lap(stream) }
        // Until the segments are as they stay: at half full each has been reused several times.
        for _ in 0..<(plan.isQuick ? 2 : 5) { _ = try pool.runner.lap(keys.lap()) }
        let overwrites = keys.lap()
        let quiet = Hiccups.watch(seconds: 0.5)
        let before = pool.store.statistics
        let lap = Lap(
            try pool.runner.run([overwrites], RunLimit(operations: overwrites.operations.count)))
        let after = pool.store.statistics
        let later = Hiccups.watch(seconds: 0.5)
        try pool.runner.close()

        let times = lap.latency.percentiles()
        let amplification = pool.amplification(before, after)
        let utilisation = pool.utilisation(after)
        let bound = CompactionBound.writes(utilisation: utilisation)
        let hiccups = "a spinning thread: \(quiet.text) before, \(later.text) after"
        var found = [
            GoalMeasurement(
                row: level.writes, value: amplification / bound, nanoseconds: lap.nanoseconds,
                remark: "\(Format.fixed(amplification, 2)) beside a bound of "
                    + "\(Format.fixed(bound, 2)) at \(Format.fixed(utilisation * 100, 1)) %, "
                    + "\(Format.rate(Double(data.keys))) keys")
        ]
        if let row = level.tail {
            found.append(
                GoalMeasurement(
                    row: row, value: times.p999 / times.p50, nanoseconds: times.p999,
                    referenceNanoseconds: times.p50))
        }
        if let row = level.p9999 {
            found.append(GoalMeasurement(row: row, value: times.p9999 / 1e3, remark: hiccups))
        }
        if let row = level.max {
            found.append(
                GoalMeasurement(
                    row: row, value: times.max / 1e3,
                    remark: "by wall; \(hiccups)"))
        }
        return found
    }
}

/// Laps of as many overwrites as there are keys, each key chosen for itself. No two laps are alike:
/// were one repeated, records would die in the order in which they were written, and compaction
/// would have nothing to copy.
private struct KeyChoice {
    private let data: DataSet
    private let ranks: Zipfian?
    private var random: SplitMix

    init(_ data: DataSet, isZipfian: Bool) {
        self.data = data
        ranks = isZipfian ? Zipfian(items: data.keys) : nil
        random = SplitMix(seed: data.seed)
    }

    mutating func lap() -> OperationStream {
        var stream = data.laps(.overwrite, rounds: 1, lap: data.keys, seed: 1)[0]
        for at in stream.operations.indices {
            stream.operations[at].index = UInt32(
                ranks.map { $0.scrambled(&random) } ?? random.below(data.keys))
        }
        return stream
    }
}

/// A store in a pool that is full to a certain degree when all keys are in it.
struct StorePool {
    let store: PmemStore
    let runner: any Runner
    private let record: Int

    /// Bytes of a record and of its entry in a summary, as docs/format.md has them.
    private static let header = 32
    private static let unit = 64
    private static let summaryEntry = 24
    /// Segments that are never given to puts.
    private static let reserve = 2

    init(in directory: String, _ data: DataSet, fullness: Double) throws {
        let bytes = Self.header + data.keySizes.largest + data.valueSizes.largest
        record = (bytes + Self.unit - 1) / Self.unit * Self.unit
        let used = Double(data.keys * (record + Self.summaryEntry)) / fullness
        let size = Int(used) + Self.reserve * Self.segment(of: Int(used))
        let path = directory + "/store.pool"
        store = try PmemStore.create(
            at: path, options: CreateOptions(size: size, segmentSize: Self.segment(of: size)))
        try GoalPlace.touch(path)
        runner = try EngineRunner(
            OpenStore(store: store), keys: data.codec, valueSizes: data.valueSizes)
    }

    /// About 1/256 of the pool.
    private static func segment(of size: Int) -> Int {
        var segment = 64 << 10
        while segment < 16 << 20, segment * 384 < size { segment *= 2 }
        return segment
    }

    /// Bytes written for each byte that the user had written.
    func amplification(_ before: PmemKV.Statistics, _ after: PmemKV.Statistics) -> Double {
        let user = (after.puts - before.puts) * record
        return 1 + Double(after.compactedBytes - before.compactedBytes) / Double(user)
    }

    /// Live bytes over those that are left when summaries and the reserve have theirs.
    func utilisation(_ numbers: PmemKV.Statistics) -> Double {
        let room = Double((numbers.segments - Self.reserve) * numbers.segmentBytes)
        let ofRecords = Double(record) / Double(record + Self.summaryEntry)
        return Double(numbers.liveBytes) / (room * ofRecords)
    }

    /// Records that compaction copied.
    func copied(_ before: PmemKV.Statistics, _ after: PmemKV.Statistics) -> Int {
        (after.compactedBytes - before.compactedBytes) / record
    }
}

/// A store that is open already, as an engine.
private final class OpenStore: Engine {
    private let store: PmemStore

    init(store: PmemStore) { self.store = store }

    let setup = "hash index"
    func count() throws -> Int? { store.count }
    func close() throws { try store.close() }

    func makeWorker(thread: Int) throws -> StoreEngine.Worker {
        StoreEngine.Worker(store: store, durability: .durable)
    }
}

/// What greedy compaction has to write, by theory, for uniform overwrites of a pool of many
/// segments: a / (a + W(-a exp(-a))) for each byte, where a is the room over what is alive in it
/// and W the principal branch of Lambert's function.
enum CompactionBound {
    static func writes(utilisation: Double) -> Double {
        guard utilisation > 0, utilisation < 1 else { return utilisation <= 0 ? 1 : .infinity }
        let room = 1 / utilisation
        return room / (room + lambert(-room * exp(-room)))
    }

    /// W of a number between -1/e and 0, by Newton's method from above.
    private static func lambert(_ number: Double) -> Double {
        var w = 0.0
        for _ in 0..<100 {
            let power = exp(w)
            let step = (w * power - number) / (power * (w + 1))
            w -= step
            if abs(step) < 1e-12 { break }
        }
        return w
    }
}

/// What happens to a thread that does nothing but look at the clock: what a put cannot do better.
struct Hiccups {
    /// The longest time between two looks, and how many took more than 20 us, in a second.
    var longest: Double
    var perSecond: Double

    var text: String {
        "longest \(Format.nanoseconds(longest)), \(Format.fixed(perSecond, 0)) a second above 20us"
    }

    static func watch(seconds: Double) -> Hiccups {
        let clock = CheapClock.shared
        let start = bench_ticks()
        let end = start &+ clock.ticks(seconds: seconds)
        let limit = clock.ticks(seconds: 20e-6)
        var (last, longest, count) = (start, UInt64(0), 0)
        while last < end {
            let now = bench_ticks()
            let gap = now &- last
            longest = max(longest, gap)
            if gap > limit { count += 1 }
            last = now
        }
        return Hiccups(longest: clock.nanoseconds(longest), perSecond: Double(count) / seconds)
    }
}
