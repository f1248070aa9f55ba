import PmemKV
import PmemKVTesting

/// Every bit of some pools flipped, opened for reading and for writing.
struct FlipsPart: Sendable {
    let plan: Plan
    let findings: Findings

    /// Returns the number of flips.
    func run() -> Int {
        let total = Total()
        Workers.run(12, threads: plan.threads) { number in
            do throws(StoreError) {
                let pool = try (SamplePool.all() + [SamplePool.grown()])[number / 2]
                let flips = BitFlips(pool)
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
