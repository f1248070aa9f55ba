import PmemKV

/// Transactions, plain writes, reads, snapshots and compaction of two to four threads on a few
/// keys: what they saw and wrote has to be a serialisable ``History``.
package final class TransactionRace {
    private let race: Race
    package private(set) var committed = 0
    package private(set) var conflicts = 0

    private static let keys = 6

    package init() {
        var shape = PoolShape()
        shape.segments = 12
        shape.heads = 2
        shape.sequenceStep = 1000
        race = Race(shape)
    }

    /// Runs one interleaving. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        var random = SplitMix(seed: seed)
        let index: IndexKind = random.below(2) == 0 ? .hash : .ordered
        let recorder: Recorder
        do throws(StoreError) {
            recorder = Recorder(try race.openBlank(index), keys: Self.keys)
        } catch {
            return "seed \(seed), \(index): \(error)"
        }
        for key in 0..<Self.keys where random.below(2) == 0 { recorder.prepare(key) }
        let threads = 2 + random.below(3)
        let scripts = (0..<threads).map { _ in
            (0..<(threads > 2 ? 2 : 3)).map { _ in Self.action(&random) }
        }
        race.run(
            seed: random.next(), scripts.map { script in { _ in script.forEach(recorder.perform) } }
        )
        recorder.finish()
        committed += recorder.committed
        conflicts += recorder.conflicts
        return recorder.problem.map { "seed \(seed), \(index): \($0)" }
    }

    private static func action(_ random: inout SplitMix) -> Action {
        let key = random.below(keys)
        switch random.below(16) {
        case 0: return .compact
        case 1: return .compactionStep
        case 2: return .put(key)
        case 3: return .batch([key, (key + 1) % keys])
        case 4: return .remove(key)
        case 5: return .get(key)
        case 6, 7: return .snapshot
        default: return .transaction((0...random.below(4)).map { _ in step(&random) })
        }
    }

    private static func step(_ random: inout SplitMix) -> Action.Step {
        let key = random.below(keys)
        switch random.below(8) {
        case 0, 1, 2: return .get(key)
        case 3, 4: return .put(key)
        case 5: return .remove(key)
        default:
            let range = key..<min(keys, key + 1 + random.below(4))
            return .scan(range, reverse: random.below(2) == 0, limit: 1 + random.below(3))
        }
    }
}
