/// Measures several things side by side: in every round each of them runs one lap, so that what
/// else the machine does meets all alike, and a ratio is the median of the rounds' ratios.
struct Race {
    struct Lane {
        let name: String
        /// Runs the lap of a round.
        let lap: (Int) throws -> Lap
    }

    private var laps: [String: [Lap]] = [:]

    /// - Parameter warmUps: rounds at the beginning that do not count.
    init(rounds: Int, warmUps: Int = 0, _ lanes: [Lane]) throws {
        for round in 0..<rounds {
            // Whoever comes second finds what the one before it left in the caches.
            for lane in round % 2 == 0 ? lanes : lanes.reversed() {
                let lap = try lane.lap(round)
                if round >= warmUps { laps[lane.name, default: []].append(lap) }
            }
        }
    }

    /// The time of one lane over that of another. Upside down it compares rates.
    func ratio(
        _ row: GoalRow, _ subject: String, to reference: String, ofRates: Bool = false,
        remark: String? = nil
    ) -> GoalMeasurement {
        let pairs = Array(zip(laps[subject] ?? [], laps[reference] ?? []))
        func quotients(_ time: (Lap) -> Double) -> [Double] {
            pairs.map { ofRates ? time($0.1) / time($0.0) : time($0.0) / time($0.1) }
        }
        let quartiles = Quartiles(quotients(\.nanoseconds))
        return GoalMeasurement(
            row: row, value: quartiles.median, low: quartiles.low, high: quartiles.high,
            byCPU: Quartiles(quotients(\.cpuNanoseconds)).median, nanoseconds: median(subject),
            referenceNanoseconds: median(reference), remark: remark)
    }

    /// The median time of an operation in a lane, in ns.
    func median(_ lane: String) -> Double {
        Quartiles((laps[lane] ?? []).map(\.nanoseconds)).median
    }

    /// Median and quartiles of a lane's figures.
    func quartiles(_ lane: String, _ figure: (Lap) -> Double) -> Quartiles {
        Quartiles((laps[lane] ?? []).map(figure))
    }
}

/// The middle of some samples, and the bounds of their middle half.
struct Quartiles: Codable, Sendable {
    var low: Double
    var median: Double
    var high: Double

    init(_ samples: [Double]) {
        let sorted = samples.sorted()
        median = Statistics.median(sorted)
        let quarter = sorted.count / 4
        low = sorted.isEmpty ? .nan : sorted[quarter]
        high = sorted.isEmpty ? .nan : sorted[sorted.count - 1 - quarter]
    }
}
