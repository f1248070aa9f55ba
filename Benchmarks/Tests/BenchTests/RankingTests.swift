import Testing

@testable import pmemkv_bench

@Suite struct RankingTests {
    private let before = [
        "quick": Spread([95, 100, 105]), "middle": Spread([70, 80, 90]),
        "alike": Spread([75, 78, 85]), "slow": Spread([9, 10, 11]),
    ]

    private func ranking(_ changes: [String: [Double]]) -> Ranking {
        Ranking(
            workload: "readrandom", old: before,
            new: before.merging(changes.mapValues { Spread($0) }) { $1 })
    }

    @Test func sameFiguresRankTheSame() {
        let same = ranking([:])
        #expect(same.isSame && same.pairs == 6)
        #expect(same.engines == ["quick", "middle", "alike", "slow"])
        #expect(same.tied == 1 && same.swappedWithinNoise == 0)
    }

    /// All become slower, the order stays.
    @Test func slowerIsNotSwapped() {
        #expect(
            ranking(["quick": [50], "middle": [40], "alike": [39], "slow": [4]]).isSame)
    }

    @Test func tiedEnginesMayChangePlaces() {
        let swapped = ranking(["alike": [80, 88, 92]])
        #expect(swapped.isSame)
        #expect(swapped.tied == 1 && swapped.swappedWithinNoise == 1)
    }

    /// Apart before and overlapping now, with the medians in the other order.
    @Test func overlapInOneResultIsATie() {
        let overlapping = ranking(["middle": [90, 101, 104]])
        #expect(overlapping.isSame && overlapping.swappedWithinNoise == 1)
    }

    @Test func pairsApartInBothAreNamed() {
        let swapped = ranking(["slow": [200, 210, 220]])
        #expect(!swapped.isSame)
        #expect(
            swapped.swaps == [
                .init(wasFaster: "quick", isFaster: "slow"),
                .init(wasFaster: "middle", isFaster: "slow"),
                .init(wasFaster: "alike", isFaster: "slow"),
            ])
        let text = Ranking.render([swapped, ranking([:])])
        #expect(text.contains("readrandom: quick was faster than slow, now slower"))
        #expect(text.contains("the same in 1 of 2 workloads"))
    }

    @Test func enginesOfOneResultAloneAreLeftOut() {
        var fewer = before
        fewer["quick"] = nil
        let ranking = Ranking(workload: "overwrite", old: fewer, new: before)
        #expect(ranking.engines == ["middle", "alike", "slow"] && ranking.pairs == 3)
    }
}
