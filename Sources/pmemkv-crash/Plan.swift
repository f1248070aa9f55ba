import PmemKVTesting

/// How much of everything one run does.
struct Plan: Sendable {
    var seed: UInt64 = 1
    var threads = 2
    var isLong = false
    /// Times the ordinary amount of random scripts.
    var factor: Int { isLong ? 12 : 1 }
    var randomScripts: Int { 1600 * factor }
    var parallelScripts: Int { 1600 * factor }
    var growingScripts: Int { 400 * factor }
    var readerRaces: Int { 10_000 * factor }
    var scanRaces: Int { 10_000 * factor }
    var snapshotRaces: Int { 8_000 * factor }
    var transactionRaces: Int { 20_000 * factor }
    /// Of two short threads, all orders with so many; of the last one every so-manieth.
    var preemptions: Int { isLong ? 3 : 2 }
    var preemptionStride: Int { isLong ? 8 : 7 }
    var stressRounds: Int { isLong ? 64 : 8 }
    var closeRaces: Int { 6000 * factor }
    var publisherRaces: Int { 2000 * factor }
    var compactorRaces: Int { 4000 * factor }
    var knownBits: Int { isLong ? 28 : 25 }
    var fuzzers: String?
    var fuzzSeconds: Int { isLong ? 300 : 30 }
    /// One script to run alone.
    var replay: Replay?
    /// What there is to run.
    static let knownParts: Set = [
        "states", "interleavings", "preemptions", "mutants", "flips", "fuzz", "stress",
    ]
    var parts = Self.knownParts.subtracting(["stress"])

    /// A script by its name, `random:SEED` or `parallel:SEED`.
    struct Replay {
        let isParallel: Bool
        let seed: UInt64

        init?(_ name: String) {
            let parts = name.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let seed = UInt64(parts[1]),
                parts[0] == "random" || parts[0] == "parallel"
            else { return nil }
            isParallel = parts[0] == "parallel"
            self.seed = seed
        }
    }

    /// The seed of a numbered script, race or round.
    func seed(_ number: Int) -> UInt64 { seed &* 1_000_003 &+ UInt64(number) }

    /// The pools on which all short sequences run: an empty one; one whose segment is nearly
    /// full, so that every operation may be the one that seals it; one closed with a checkpoint;
    /// and a page cache.
    var exhaustive: [(shape: PoolShape, prefix: [PmemKVTesting.Operation])] {
        func put(_ key: Int, _ length: Int) -> PmemKVTesting.Operation {
            .put(key: key, length: length, relaxed: false)
        }
        var paged = PoolShape()
        paged.model = .paged
        return [
            (PoolShape(), []),
            (PoolShape(), [put(0, 300), put(1, 100), put(0, 9)]),
            (PoolShape(), [put(0, 64), put(1, 64), .reopen]),
            (paged, [put(0, 100)]),
        ]
    }

    var effort: Effort {
        var effort = Effort()
        effort.statesPerDrain = isLong ? 4096 : 320
        return effort
    }

    /// Where the schedules matter more than the states.
    var interleavingEffort: Effort {
        var effort = Effort()
        effort.statesPerDrain = 8
        effort.nestedEvery = 1 << 20
        return effort
    }

    var randomEffort: Effort {
        var effort = Effort()
        effort.statesPerDrain = 96 * (isLong ? 4 : 1)
        effort.nestedEvery = 128
        return effort
    }
}
