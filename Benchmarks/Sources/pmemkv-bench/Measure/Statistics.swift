import Foundation

/// Median, least and greatest of a few repetitions.
struct Spread: Codable, Sendable {
    var median: Double
    var min: Double
    var max: Double

    init(_ samples: [Double]) {
        let sorted = samples.sorted()
        median = Statistics.median(sorted)
        min = sorted.first ?? .nan
        max = sorted.last ?? .nan
    }

    /// The distance between the extremes as a part of the median.
    var relativeRange: Double { median > 0 ? (max - min) / median : 0 }

    /// Beyond this the table calls a result noisy.
    static let noisyRange = 0.15
    var isNoisy: Bool { relativeRange > Self.noisyRange }
}

enum Statistics {
    static func median(_ sorted: [Double]) -> Double {
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1
            ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    static func mean(_ samples: [Double]) -> Double {
        samples.reduce(0, +) / Double(samples.count)
    }

    /// Sample standard deviation.
    static func deviation(_ samples: [Double]) -> Double {
        guard samples.count > 1 else { return .nan }
        let centre = mean(samples)
        let squares = samples.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
        return (squares / Double(samples.count - 1)).squareRoot()
    }

    /// The two-sided 95 % point of Student's t distribution.
    static func studentT95(degrees: Int) -> Double {
        let table = [
            12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
            2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
            2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
        ]
        if degrees < 1 { return .infinity }
        return degrees <= table.count ? table[degrees - 1] : 1.96 + 2.5 / Double(degrees)
    }
}

/// A ratio of two things measured side by side, with a 95 % confidence interval.
///
/// Each repetition gives one pair, run back to back, so that a slow change of the machine cancels;
/// the interval is Student's over the logarithms of the pairs' ratios.
struct RatioInterval: Codable, Sendable {
    var ratio: Double
    var low: Double
    var high: Double
    var pairs: Int

    init(pairs: [(Double, Double)]) {
        let logs = pairs.map { log($0.0 / $0.1) }
        let centre = Statistics.mean(logs)
        let half =
            logs.count > 1
            ? Statistics.studentT95(degrees: logs.count - 1)
                * Statistics.deviation(logs) / Double(logs.count).squareRoot()
            : .infinity
        ratio = exp(centre)
        low = exp(centre - half)
        high = exp(centre + half)
        self.pairs = pairs.count
    }

    /// Whether the interval excludes equality.
    var isBeyondNoise: Bool { low > 1 || high < 1 }
}
