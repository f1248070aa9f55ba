import Foundation
import Testing

@testable import pmemkv_bench

/// What `goals` says of the store is worth what its floors, ratios and bounds are.
@Suite(.serialized) struct GoalTests {
    @Test func everyRowHasOneGoalAndOneScenario() {
        for row in GoalRow.allCases {
            #expect(GoalTable.all.filter { $0.row == row }.count == 1, "\(row)")
            #expect(GoalScenario.allCases.filter { $0.rows.contains(row) }.count == 1, "\(row)")
        }
    }

    @Test func goalsAreMetFromTheRightSide() {
        #expect(GoalTable.goal(.put).isMet(by: 1.4) && !GoalTable.goal(.put).isMet(by: 1.41))
        #expect(GoalTable.goal(.put2).isMet(by: 1.7) && !GoalTable.goal(.put2).isMet(by: 1.69))
    }

    /// Known values of the bound: greedy compaction of half, 70 and 90 % full pools.
    @Test(arguments: [(0.5, 1.26), (0.7, 1.88), (0.9, 5.18)])
    func compactionBoundIsThatOfTheory(_ utilisation: Double, _ writes: Double) {
        #expect(abs(CompactionBound.writes(utilisation: utilisation) - writes) < 0.01)
    }

    /// One slow round must not move a ratio, and rates are the ratio upside down.
    @Test func raceTakesTheMedianOfTheRoundsRatios() throws {
        func lane(_ name: String, _ times: [UInt64]) -> Race.Lane {
            .init(name: name) { round in
                var outcome = ThreadOutcome()
                outcome.done = 1
                outcome.end = times[round] * 1000
                return Lap([outcome])
            }
        }
        let race = try Race(
            rounds: 4, warmUps: 1,
            [lane("a", [900, 20, 4000, 30]), lane("b", [1, 10, 20, 10])])
        let time = race.ratio(.put, "a", to: "b")
        let rate = race.ratio(.put, "a", to: "b", ofRates: true)
        #expect(abs((time.value ?? 0) - 3) < 1e-6)
        #expect(abs((rate.value ?? 0) - 1 / 3) < 1e-6)
    }

    /// The floors look for keys, compare them and verify records; else they are no floors.
    @Test func recordFloorFindsVerifiesAndMisses() throws {
        let plan = quickPlan([.get])
        let place = try GoalPlace(plan, on: plan.path)
        defer { place.remove() }
        let data = DataSet(keySize: 16, valueSize: 200, keys: 1000, seed: 1)
        let directory = try place.subdirectory()
        let floor = try RecordFloor(
            directory: directory, profile: place.profile(data, keys: data.keys))
        let fill = data.laps(.fillrandom, rounds: 1)[0]
        floor.fill(fill.operations, keys: try data.codec, valueSizes: data.valueSizes)
        let runner = try EngineRunner(floor, keys: data.codec, valueSizes: data.valueSizes)
        // A runner throws when a key was not found that is there, or the reverse.
        for workload in [Workload.readrandom, .readmissing] {
            _ = try runner.lap(data.laps(workload, rounds: 1, lap: 4000)[0])
        }
        #expect(try floor.readAhead(fill.operations).hits == 1000)

        // One bit of the first record's value.
        let file = try FileHandle(
            forUpdating: URL(fileURLWithPath: directory + "/floor.pool"))
        try file.seek(toOffset: 150)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: 150)
        try file.write(contentsOf: Data([byte ^ 4]))
        try file.close()
        #expect(try floor.readAhead(fill.operations).misses == 1)
        #expect(throws: BenchError.self) {
            _ = try runner.lap(data.laps(.readrandom, rounds: 1, lap: 20_000)[0])
        }
        try runner.close()
    }

    /// Each scenario gives every row it promises.
    @Test(arguments: [GoalScenario.points, .ordered, .sustained, .compaction])
    func scenariosMeasureTheirRows(_ scenario: GoalScenario) throws {
        setenv("PMEM_IS_PMEM_FORCE", "1", 1)
        let found = try scenario.measure(quickPlan(scenario.rows))
        #expect(Set(found.map(\.row)) == Set(scenario.rows))
        for measurement in found where measurement.remark?.hasPrefix("the library") != true {
            #expect((measurement.value ?? 0) > 0, "\(measurement.row)")
        }
    }

    private func quickPlan(_ rows: [GoalRow]) -> GoalPlan {
        GoalPlan(
            path: "/dev/shm", forcedPmem: true, disk: "/var/tmp", keys: 10_000, isQuick: true,
            rows: rows, seed: 1)
    }
}
