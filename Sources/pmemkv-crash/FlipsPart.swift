import PmemKV
import PmemKVTesting

/// Every bit of four pools flipped, opened for reading and for writing.
struct FlipsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of flips.
    func run() -> Int {
        let total = Total()
        Workers.run(8, threads: plan.threads) { number in
            do throws(StoreError) {
                let pool = try (SamplePool.all() + [SamplePool.grown()])[number / 2]
                var previous = pool.expected
                if number / 2 == 2 { previous[5] = PoolShape.value(step: 12, key: 5, length: 20) }
                let flips = BitFlips(
                    image: pool.image, shape: pool.shape, expected: pool.expected,
                    unproven: number / 2 == 2 ? [5] : [], previous: previous)
                if let problem = flips.run(0..<pool.image.size, writable: number % 2 == 0) {
                    findings.fail("pool \(pool.name): \(problem)")
                }
                total.add(flips.flips)
            } catch {
                findings.fail("a pool for damage: \(error)")
            }
        }
        return total.count
    }

    private final class Total: @unchecked Sendable {
        private let lock = Lock()
        private var value = 0
        var count: Int { lock.with { value } }
        func add(_ count: Int) { lock.with { value += count } }
    }
}
