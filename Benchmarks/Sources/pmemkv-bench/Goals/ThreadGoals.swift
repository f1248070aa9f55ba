/// Two threads beside one, each of them in a store of its own with the hash index.
struct ThreadGoals {
    private let place: GoalPlace
    private let data: DataSet
    private var plan: GoalPlan { place.plan }

    init(_ place: GoalPlace) {
        self.place = place
        data = DataSet(
            keySize: 16, valueSize: 200, keys: place.plan.keys, seed: place.plan.seed)
    }

    func measure() throws -> [GoalMeasurement] {
        let one = try place.open(.pmemkv, data, keys: plan.keys)
        let two = try place.open(.pmemkv, data, keys: plan.keys, threads: 2)
        let remark = "\(place.profile(data, keys: 1).processors) processors"
        func race(_ row: GoalRow, _ laps: [OperationStream], warmUps: Int) throws -> GoalMeasurement
        {
            // The same operations, dealt to two.
            let halves = laps.map { lap in [0, 1].map { dealt(lap, $0) } }
            return try Race(
                rounds: laps.count, warmUps: warmUps,
                [
                    .init(name: "two") { try two.laps(halves[$0]) },
                    .init(name: "one") { try one.laps([laps[$0]]) },
                ]
            ).ratio(row, "two", to: "one", ofRates: true, remark: remark)
        }
        let fill = data.laps(.fillrandom, rounds: plan.fillRounds)
        let gets = data.laps(.readrandom, rounds: plan.rounds, lap: plan.lap * 3, seed: 1)
        let found = [
            try race(.put2, fill, warmUps: plan.fillRounds / 4),
            try race(.get2, gets, warmUps: 1),
        ]
        try one.close()
        try two.close()
        return found
    }

    private func dealt(_ stream: OperationStream, _ remainder: Int) -> OperationStream {
        var mine = stream
        mine.operations = stride(from: remainder, to: stream.operations.count, by: 2).map {
            stream.operations[$0]
        }
        return mine
    }
}
