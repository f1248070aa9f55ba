import Foundation

/// Everything that decides an `io` run; part of its results.
struct IOPlan: Codable, Sendable {
    var targets: [String]
    var operations: [IOOperation]
    var blockSizes: [Int]
    var threads: [Int]
    var patterns: [AccessPattern]
    /// Time of one slice: one target, one configuration, one repetition; in seconds.
    var seconds: Double
    var repetitions: Int
    var targetBytes: Int
    var compare: [String]
    var seed: UInt64
    var forcedPmem: Bool

    /// All configurations, each run on every target.
    var configurations: [IOConfiguration] {
        operations.flatMap { operation -> [IOConfiguration] in
            let blocks =
                operation.usesBlocks
                ? blockSizes.filter { $0 >= operation.smallestBlock } : [0]
            let counts = operation.isSingleThreaded ? [1] : threads
            let patterns = operation.usesBlocks ? patterns : [.sequential]
            return blocks.flatMap { block in
                counts.flatMap { count in
                    patterns.map {
                        IOConfiguration(
                            operation: operation, blockSize: block, threads: count, pattern: $0)
                    }
                }
            }
        }
    }
}

/// One line of the tables.
struct IOConfiguration: Codable, Hashable, Sendable {
    var operation: IOOperation
    /// 0 where blocks mean nothing.
    var blockSize: Int
    var threads: Int
    var pattern: AccessPattern

    var label: String {
        var words = [operation.rawValue]
        if operation.usesBlocks { words += [Format.bytes(blockSize), pattern.rawValue] }
        if threads > 1 { words.append("\(threads) threads") }
        return words.joined(separator: " ")
    }
}

/// One configuration on one target, over all repetitions.
struct IOResult: Codable, Sendable {
    var target: String
    var configuration: IOConfiguration
    var operationsPerSecond: Spread?
    var megabytesPerSecond: Double?
    var latency: Percentiles?
    var samples: [Double]
    var isNoisy: Bool
    var skipped: String?
}

/// Two targets side by side.
struct IOComparison: Codable, Sendable {
    var configuration: IOConfiguration
    var first: String
    var second: String
    /// Operations per second of the first divided by the second's.
    var ratio: RatioInterval
    var isNullControl: Bool
}

/// The results of an `io` run.
struct IOReport: Codable, Sendable {
    var schema = 1
    var kind = "io"
    var command: [String]
    var date: String
    var environment: RunEnvironment
    var clock: CheapClock
    var plan: IOPlan
    var targets: [TargetFacts]
    var results: [IOResult]
    var comparisons: [IOComparison]
    var model: UsercopyModelReport?
    var notes: [String]
}
