import PmemKV

/// Snapshots while what they see is overwritten, removed, put anew, moved by compaction, and its
/// extents used again.
///
/// Each key's value is its version. Whatever way a snapshot is asked, and however often, it gives
/// the same: for each key a version that was acknowledged when it was taken, or one that was under
/// way then, and for the two keys of a batch the same one.
package final class SnapshotRace {
    private let race: Race
    private var random = SplitMix(seed: 0)
    private var problem: String?
    /// By key: versions that were acknowledged, and begun. Odd ones are removals.
    private var acknowledged: [Int] = []
    private var begun: [Int] = []

    private static let keys = 12

    package init() {
        var shape = PoolShape()
        shape.segments = 10
        shape.heads = 2
        shape.sequenceStep = 1000
        race = Race(shape)
    }

    private static func key(_ number: Int) -> [UInt8] {
        number % 3 == 0
            ? [UInt8(40 + number)] : Array("shared".utf8) + [UInt8(number % 2), 7, UInt8(number)]
    }

    private static let numbers = Dictionary(
        uniqueKeysWithValues: (0..<keys).map { (key($0), $0) })

    private static func value(_ version: Int) -> [UInt8] {
        [UInt8(version & 255), UInt8(version >> 8)] + [UInt8](repeating: 1, count: version % 5 * 20)
    }

    private static func version(_ value: [UInt8]) -> Int { Int(value[0]) | Int(value[1]) << 8 }

    /// Runs one interleaving. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        random = SplitMix(seed: seed)
        problem = nil
        acknowledged = [Int](repeating: 0, count: Self.keys)
        begun = acknowledged
        let index: IndexKind = random.below(2) == 0 ? .hash : .ordered
        do throws(StoreError) {
            let store = try race.openBlank(index)
            for number in 0..<Self.keys { try store.put(Self.value(0), forKey: Self.key(number)) }
            let changes = (0..<50).map { _ in (random.below(12), random.below(Self.keys)) }
            race.run(
                seed: random.next(),
                { _ in
                    self.collect { () throws(StoreError) in
                        for (kind, number) in changes { try self.change(kind, number, store) }
                    }
                },
                { _ in
                    self.collect { () throws(StoreError) in
                        for _ in 0..<4 { try self.read(store) }
                    }
                })
            try verify(store)
            try store.close()
        } catch {
            report("\(error)")
        }
        return problem.map { "seed \(seed), \(index): \($0)" }
    }

    private func verify(_ store: PmemStore) throws(StoreError) {
        let statistics = store.statistics
        if statistics.snapshots != 0 || statistics.keptBytes != 0 {
            report("\(statistics.keptBytes) bytes are kept for nobody")
        }
        if let wrong = store.orderedProblem() { report("afterwards: \(wrong)") }
        let structure = try store.structure()
        if structure.lost != 0 || structure.miscountedExtents != 0 {
            report("unsound: \(structure)")
        }
    }

    private func collect(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { report("\(error)") }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    // MARK: The writer

    private func change(_ kind: Int, _ number: Int, _ store: PmemStore) throws(StoreError) {
        switch kind {
        case 0, 1: try store.compact()
        case 2: for _ in 0..<3 { try store.makeCompactionStep() }
        case 3, 4:
            let version = (max(begun[0], begun[1]) | 1) + 1
            var batch = WriteBatch()
            for number in 0..<2 {
                begun[number] = version
                batch.put(Self.value(version), forKey: Self.key(number))
            }
            try store.apply(batch)
            for number in 0..<2 { acknowledged[number] = version }
        case 5, 6, 7:
            guard number >= 2, begun[number] % 2 == 0 else { return }
            begun[number] += 1
            try store.remove(Self.key(number))
            acknowledged[number] = begun[number]
        default:
            guard number >= 2 else { return }
            begun[number] = (begun[number] | 1) + 1
            try store.put(Self.value(begun[number]), forKey: Self.key(number))
            acknowledged[number] = begun[number]
        }
    }

    // MARK: The reader

    private func read(_ store: PmemStore) throws(StoreError) {
        let lowest = acknowledged
        let snapshot = try store.snapshot()
        defer { snapshot.end() }
        let highest = begun
        var seen: [Int: Int] = [:]
        for way in 0..<3 {
            var found: [Int: Int] = [:]
            if random.below(3) == 0 {
                for number in 0..<Self.keys {
                    found[number] = try snapshot.get(Self.key(number)).map(Self.version)
                }
            } else {
                try scan(snapshot, reverse: random.below(2) == 0) { found[$0] = $1 }
            }
            if way == 0 { seen = found }
            if found != seen { report("a snapshot shows \(found), and showed \(seen)") }
        }
        if snapshot.count != seen.count {
            report("a snapshot counts \(snapshot.count) of \(seen.count) keys")
        }
        if seen[0] != seen[1] { report("a snapshot shows one half of a batch") }
        for number in 0..<Self.keys {
            let range = lowest[number]...highest[number]
            guard let version = seen[number] else {
                if !range.contains(where: { $0 % 2 == 1 }) { report("key \(number) is not seen") }
                continue
            }
            if !range.contains(version) {
                report("a snapshot shows version \(version) of \(range)")
            }
        }
    }

    private func scan(
        _ snapshot: Snapshot, reverse: Bool, _ show: (Int, Int) -> Void
    ) throws(StoreError) {
        var last: [UInt8]?
        try snapshot.scan(reverse: reverse) { key, value in
            let key = key.withUnsafeBytes { Array($0) }
            let value = value.withUnsafeBytes { Array($0) }
            if let last, last.lexicographicallyPrecedes(key) == reverse || last == key {
                self.report("a scan is out of order")
            }
            last = key
            guard let number = Self.numbers[key], value == Self.value(Self.version(value)) else {
                self.report("a scan shows what was never put")
                return false
            }
            show(number, Self.version(value))
            return true
        }
    }
}
