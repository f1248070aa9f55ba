import CBench
import Foundation

/// A MODEL, not a measurement of a kernel: what reading one cold `struct page` per 4 KiB write
/// costs, depending on where the struct pages lie.
///
/// Before the bypass, every copy of a DAX write asked whether the destination is a slab object, and
/// so read the destination's struct page: 64 bytes for every 4 KiB of the device, one line that is
/// cold when blocks are chosen at random. Here an ordinary 4 KiB pwrite is preceded by the read of
/// one 64-byte entry of a table of that proportion, which lies nowhere, in DRAM, or on the target.
/// The entries to be read are thrown out of the caches before each batch, outside the timed part.
struct UsercopyModel {
    enum Placement: Sendable, Equatable {
        /// No table is read: the kernel with the bypass.
        case none
        case dram
        /// The table lies on the target; every read waits this much longer, in ns.
        case target(extraNanoseconds: Double)

        var label: String {
            switch self {
            case .none: "no struct page read"
            case .dram: "struct page in DRAM"
            case .target(0): "struct page on the target"
            case .target(let extra): "struct page on the target, +\(Format.fixed(extra, 0)) ns"
            }
        }
    }

    static let block = 4096
    static let entry = 64
    static let batch = 64

    let target: IOTarget
    let latencies: [Double]
    let seconds: Double
    let repetitions: Int

    func run() throws -> UsercopyModelReport {
        guard !target.isDevice else {
            throw BenchError("the model writes with pwrite(2); a devdax device has none")
        }
        let placements: [Placement] =
            [.none, .dram, .target(extraNanoseconds: 0)]
            + latencies.filter { $0 > 0 }.map { .target(extraNanoseconds: $0) }
        let tables = try Tables(target)
        defer { tables.close() }
        var samples = [[Double]](repeating: [], count: placements.count)
        for repetition in 0..<repetitions {
            let rates = try rates(placements, tables, seed: UInt64(repetition) + 1)
            for number in placements.indices { samples[number].append(rates[number]) }
        }
        let rows = placements.indices.map { number in
            UsercopyModelRow(
                placement: placements[number].label,
                writesPerSecond: Spread(samples[number]),
                againstNone: RatioInterval(pairs: Array(zip(samples[number], samples[0]))),
                extraNanoseconds: 1e9 / Spread(samples[number]).median
                    - 1e9 / Spread(samples[0]).median)
        }
        return UsercopyModelReport(
            target: target.name, tableBytes: tables.bytes, blockBytes: Self.block, rows: rows)
    }

    /// The table in DRAM and the one on the target, as a part of its mapping.
    private final class Tables {
        let dram: UnsafeMutableRawPointer
        let onTarget: UnsafeMutableRawPointer
        let bytes: Int
        /// Blocks that are written; the table on the target lies behind them.
        let blocks: Int

        init(_ target: IOTarget) throws {
            let total = target.size / UsercopyModel.block
            bytes = (total * UsercopyModel.entry + 4095) & ~4095
            blocks = total - bytes / UsercopyModel.block
            onTarget = target.base + blocks * UsercopyModel.block
            guard let memory = bench_map_table(bytes) else {
                throw BenchError("no memory for the model's table")
            }
            dram = memory
            for offset in stride(from: 0, to: bytes, by: UsercopyModel.entry) {
                dram.storeBytes(of: 0, toByteOffset: offset, as: UInt64.self)
                onTarget.storeBytes(of: 0, toByteOffset: offset, as: UInt64.self)
            }
        }

        func close() { munmap(dram, bytes) }
    }

    /// Writes per second of each placement, from the median of its batches: a batch in which other
    /// work took the processor away does not count. The placements take turns batch by batch, in
    /// which nothing but the placement differs, so that drift of the machine hits all of them.
    private func rates(
        _ placements: [Placement], _ tables: Tables, seed: UInt64
    ) throws -> [Double] {
        let clock = CheapClock.shared
        let buffer = IOBuffer(Self.block)
        defer { buffer.deallocate() }
        var random = SplitMix(seed: seed)
        var batches = [[Double]](repeating: [], count: placements.count)
        let start = bench_ticks()
        let limit = clock.ticks(seconds: seconds * Double(placements.count))
        repeat {
            for (number, placement) in placements.enumerated() {
                let ticks = try batch(placement, tables, buffer, &random)
                batches[number].append(clock.seconds(ticks))
            }
        } while bench_ticks() &- start < limit
        return batches.map { Double(Self.batch) / Spread($0).median }
    }

    /// The time of one batch of writes whose struct-page stand-ins were evicted before.
    private func batch(
        _ placement: Placement, _ tables: Tables, _ buffer: IOBuffer, _ random: inout SplitMix
    ) throws -> UInt64 {
        let table = placement == .dram ? tables.dram : tables.onTarget
        var extra: UInt64 = 0
        if case .target(let nanoseconds) = placement {
            extra = CheapClock.shared.ticks(seconds: nanoseconds / 1e9)
        }
        let reads = placement != .none
        let chosen = (0..<Self.batch).map { _ in random.below(tables.blocks) }
        // Also when nothing is read: all placements leave the caches in the same state.
        for block in chosen { bench_evict(table + block * Self.entry) }
        bench_full_fence()
        let start = bench_ticks()
        for block in chosen {
            if reads { Self.isSlab(table + block * Self.entry, waiting: extra) }
            let written = pwrite(
                target.descriptor, buffer.bytes, Self.block, off_t(block * Self.block))
            if written != Self.block { throw BenchError.system("pwrite") }
        }
        return bench_ticks() &- start
    }

    /// The check's read: the write goes on only when the answer is there, as in the kernel, where
    /// the next branch depends on it.
    @inline(__always)
    private static func isSlab(_ page: UnsafeMutableRawPointer, waiting extra: UInt64) {
        let flags = bench_load(page)
        precondition(flags == 0)
        guard extra > 0 else { return }
        // The wait begins when the load has ended, so that it comes on top.
        bench_wait_for_loads()
        let start = bench_ticks()
        while bench_ticks() &- start < extra { bench_pause() }
    }
}

/// What the model gave.
struct UsercopyModelReport: Codable, Sendable {
    var label = "MODEL: not a measurement of a kernel"
    var target: String
    var tableBytes: Int
    var blockBytes: Int
    var rows: [UsercopyModelRow]
}

struct UsercopyModelRow: Codable, Sendable {
    var placement: String
    var writesPerSecond: Spread
    var againstNone: RatioInterval
    /// Time per write beyond that without any struct page read.
    var extraNanoseconds: Double
}
