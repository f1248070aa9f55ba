import CBench
import Foundation
import Histogram
import Synchronization

/// The clock behind every latency: the processor's own counter, calibrated against the monotonic
/// clock, when the kernel calls it constant and never stopping; else clock_gettime.
///
/// What reading it and recording a latency cost is measured at start and printed, because that cost
/// is part of every figure (of the floors' as well).
struct CheapClock: Codable, Sendable {
    let source: String
    let nanosecondsPerTick: Double
    /// Cost of one reading, in ns.
    let readCost: Double
    /// Cost of one reading and one `Histogram.record`, in ns: what an operation's latency contains.
    let recordCost: Double

    /// Measured once a process, or taken over from the process that started this one.
    static let shared = inherited.withLock { $0 } ?? CheapClock()

    private static let inherited = Mutex<CheapClock?>(nil)

    /// Makes `clock` the shared one; to be called before that is used. Children of a run take over
    /// their parent's: all figures then have one scale, and no child spends time on finding it.
    static func inherit(_ clock: CheapClock) {
        bench_clock_use_counter(clock.source != Self.fallback)
        inherited.withLock { $0 = clock }
    }

    private static let fallback = "clock_gettime"

    private init() {
        let isCounter = Self.counterIsUsable()
        bench_clock_use_counter(isCounter)
        #if arch(x86_64)
            let name = "rdtsc"
        #else
            let name = "cntvct"
        #endif
        source = isCounter ? name : Self.fallback
        let scale = isCounter ? Self.calibrate() : 1
        nanosecondsPerTick = scale
        readCost = Self.best { Self.timeReads() } * scale
        recordCost = Self.best { Self.timeRecords() } * scale
    }

    func nanoseconds(_ ticks: UInt64) -> Double { Double(ticks) * nanosecondsPerTick }
    func seconds(_ ticks: UInt64) -> Double { Double(ticks) * nanosecondsPerTick / 1e9 }
    func ticks(seconds: Double) -> UInt64 { UInt64(seconds * 1e9 / nanosecondsPerTick) }

    private static func counterIsUsable() -> Bool {
        #if arch(x86_64)
            guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
                let flags = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
            else { return false }
            let words = Set(flags.split(separator: " "))
            return words.contains("constant_tsc") && words.contains("nonstop_tsc")
        #elseif arch(arm64)
            return true
        #else
            return false
        #endif
    }

    /// Nanoseconds per tick over 60 ms; the middle one of three.
    private static func calibrate() -> Double {
        let samples = (0..<3).map { _ -> Double in
            let startTime = bench_monotonic_ns()
            let startTicks = bench_ticks()
            while bench_monotonic_ns() - startTime < 20_000_000 { bench_pause() }
            let endTime = bench_monotonic_ns()
            let endTicks = bench_ticks()
            return Double(endTime - startTime) / Double(max(1, endTicks - startTicks))
        }
        return samples.sorted()[1]
    }

    private static let rounds = 100_000

    private static func best(_ measure: () -> Double) -> Double {
        (0..<5).map { _ in measure() }.min()!
    }

    private static func timeReads() -> Double {
        let start = bench_ticks()
        var last: UInt64 = 0
        for _ in 0..<rounds { last = bench_ticks() }
        return Double(last - start) / Double(rounds)
    }

    private static func timeRecords() -> Double {
        var recorder = LatencyRecorder()
        let start = bench_ticks()
        var last = start
        for _ in 0..<rounds {
            let now = bench_ticks()
            recorder.record(now &- last)
            last = now
        }
        return Double(last - start) / Double(rounds)
    }
}

/// Latencies of one thread, in ticks of the cheap clock, in an HdrHistogram of three digits.
struct LatencyRecorder {
    private(set) var histogram: Histogram<UInt64>

    init() {
        histogram = Histogram(
            highestTrackableValue: 1 << 42, numberOfSignificantValueDigits: .three)
    }

    @inline(__always)
    mutating func record(_ ticks: UInt64) { histogram.record(ticks) }

    mutating func merge(_ other: LatencyRecorder) { histogram.add(other.histogram) }

    var isEmpty: Bool { histogram.totalCount == 0 }

    /// The usual percentiles in ns.
    func percentiles(_ clock: CheapClock = .shared) -> Percentiles {
        func at(_ percentile: Double) -> Double {
            clock.nanoseconds(histogram.valueAtPercentile(percentile))
        }
        return Percentiles(
            p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), p9999: at(99.99),
            max: clock.nanoseconds(histogram.max), mean: histogram.mean * clock.nanosecondsPerTick)
    }
}

/// Latency percentiles in ns.
struct Percentiles: Codable, Sendable {
    var p50, p90, p99, p999, p9999, max, mean: Double
}
