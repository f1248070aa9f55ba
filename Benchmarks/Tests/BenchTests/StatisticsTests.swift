import Testing

@testable import pmemkv_bench

@Suite struct StatisticsTests {
    @Test func medianOfEvenCountIsTheMiddle() {
        #expect(Spread([4, 1, 3, 2]).median == 2.5)
    }

    @Test func intervalOfEqualPairsHoldsOne() {
        let interval = RatioInterval(pairs: [(1, 1.01), (1.02, 1), (1, 1), (0.99, 1)])
        #expect(!interval.isBeyondNoise)
        #expect(interval.low < 1 && interval.high > 1)
    }

    @Test func intervalOfClearlyDifferentPairsExcludesOne() {
        let interval = RatioInterval(pairs: [(2, 1), (2.1, 1), (1.9, 1)])
        #expect(interval.isBeyondNoise)
        #expect(abs(interval.ratio - 2) < 0.1)
    }
}
