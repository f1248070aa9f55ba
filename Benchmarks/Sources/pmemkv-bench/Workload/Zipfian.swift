import Foundation

/// YCSB's zipfian generator (Gray et al., "Quickly Generating Billion-Record Synthetic Databases"):
/// rank 0 is the most frequent. Scrambling spreads the ranks over the keys, as YCSB does.
struct Zipfian {
    private let items: Int
    private let theta: Double
    private let zetaN: Double
    private let alpha: Double
    private let eta: Double
    private let half: Double

    /// - Complexity: O(items), once.
    init(items: Int, theta: Double = 0.99) {
        self.items = items
        self.theta = theta
        var sum = 0.0
        for rank in 1...max(items, 1) { sum += 1 / pow(Double(rank), theta) }
        zetaN = sum
        alpha = 1 / (1 - theta)
        let zeta2 = 1 + pow(0.5, theta)
        eta = (1 - pow(2 / Double(max(items, 2)), 1 - theta)) / (1 - zeta2 / sum)
        half = pow(0.5, theta)
    }

    /// A rank in 0 ..< items.
    func rank(_ random: inout SplitMix) -> Int {
        let u = random.unit()
        let uz = u * zetaN
        if uz < 1 { return 0 }
        if uz < 1 + half { return min(1, items - 1) }
        return min(items - 1, Int(Double(items) * pow(eta * u - eta + 1, alpha)))
    }

    /// An item in 0 ..< items, popular ones spread over the whole range.
    func scrambled(_ random: inout SplitMix) -> Int {
        Int(mix(UInt64(rank(&random)) &+ 0x5bd1_e995) % UInt64(items))
    }
}
