import CBench
import Foundation

/// Figures of the medium alone, in ns: what no store on it can be faster than.
struct MediumProbe: Codable, Sendable {
    /// A chain of dependent 8-byte loads at random places, over as many bytes as the data set has.
    var dependentReadNanoseconds: Double
    var probedBytes: Int
    /// One record appended and made durable, packed and in 64-byte aligned places.
    var appendPackedNanoseconds: Double
    var appendAlignedNanoseconds: Double
    /// A line of 64 bytes made durable.
    var persistLineNanoseconds: Double
    var isPmem: Bool

    /// At most this much of the medium is probed.
    static let largestProbe = 1 << 30

    /// Probes in a directory of its own, or on the device itself.
    init(path: String, plan: KVPlan) throws {
        let isDevice = KVRunner.isDevice(path)
        let own = isDevice ? path : path + "/pmemkv-bench-\(getpid())-probe"
        if !isDevice {
            try FileManager.default.createDirectory(
                atPath: own, withIntermediateDirectories: true)
        }
        defer { if !isDevice { try? FileManager.default.removeItem(atPath: own) } }
        let bytes = min(Self.largestProbe, max(64 << 20, plan.profile.userBytes))
        let pool = try FloorPool(directory: own, bytes: bytes, threads: 1)
        defer { pool.close() }
        isPmem = pool.isPmem
        probedBytes = bytes
        let record = max(8, Int(plan.keySize.mean + plan.valueSize.mean))
        appendPackedNanoseconds = Self.append(pool, record, stride: record)
        appendAlignedNanoseconds = Self.append(pool, record, stride: (record + 63) & ~63)
        persistLineNanoseconds = Self.append(pool, 64, stride: 64)
        dependentReadNanoseconds = Self.chase(pool)
    }

    private static func append(_ pool: FloorPool, _ size: Int, stride: Int) -> Double {
        let record = UnsafeMutableRawPointer.allocate(byteCount: size + 64, alignment: 64)
        defer { record.deallocate() }
        record.initializeMemory(as: UInt8.self, repeating: 0x5a, count: size)
        let count = min(200_000, pool.size / stride - 1)
        let rounds = (0..<3).map { round -> Double in
            let start = bench_ticks()
            for number in 0..<count {
                record.storeBytes(of: UInt64(number + round), as: UInt64.self)
                let place = pool.base + number * stride
                if pool.isPmem {
                    pmem_memcpy_persist(place, record, size)
                } else {
                    place.copyMemory(from: record, byteCount: size)
                    pmem_msync(place, size)
                    if CheapClock.shared.seconds(bench_ticks() - start) > 1 {
                        return CheapClock.shared.nanoseconds(bench_ticks() - start)
                            / Double(number + 1)
                    }
                }
            }
            return CheapClock.shared.nanoseconds(bench_ticks() - start) / Double(count)
        }
        return rounds.sorted()[1]
    }

    /// One cycle through all lines of the pool in random order (Sattolo), then followed.
    private static func chase(_ pool: FloorPool) -> Double {
        let lines = pool.size / 64
        var order = (0..<UInt32(lines)).map { $0 }
        var random = SplitMix(seed: 4242)
        for last in stride(from: lines - 1, to: 0, by: -1) {
            order.swapAt(last, random.below(last))
        }
        for line in 0..<lines {
            pool.base.storeBytes(of: UInt64(order[line]), toByteOffset: line * 64, as: UInt64.self)
        }
        let steps = 1_000_000
        var at: UInt64 = 0
        let start = bench_ticks()
        for _ in 0..<steps { at = bench_load(pool.base + Int(at) * 64) }
        let end = bench_ticks()
        bench_full_fence()
        precondition(at < UInt64(lines))
        return CheapClock.shared.nanoseconds(end - start) / Double(steps)
    }
}
