import PmemKV

/// Scans of the ordered index while records are overwritten, moved by compaction, and their extents
/// used again.
///
/// The pool is so small that extents come round within a run. Each key's value is its version; a
/// batch gives two keys the same one. What a read has shown a scan shows or something newer, and
/// what a scan shows of the two keys of a batch is of the same one. A new key that a scan shows a
/// read finds at once.
///
/// In half of the runs there are about as many keys as a leaf has room for, or more, of which some
/// go in the run, a dozen at a time: leaves are split, and die.
package final class ScanRace {
    private let race: Race
    private let crowded: Race
    private var random = SplitMix(seed: 0)
    private var problem: String?
    /// Versions that were acknowledged, and begun, by the numbers of the keys.
    private var acknowledged: [Int] = []
    private var begun: [Int] = []

    private static let keys = 20
    /// Keys that are never removed; the first two are a batch's.
    private static let staying = 8
    /// Keys from here on come in the run, one after the other, and stay.
    private static let firstNew = 14
    /// Keys of a crowded run besides, by the numbers behind the others: so many at most.
    private static let crowd = 80
    /// Of those, so many go at a time.
    private static let leaving = 12
    /// The keys of the crowd whose removal has not begun.
    private var crowding = 0..<0
    /// The removal of those below was acknowledged.
    private var gone = 0

    package init() {
        var shape = PoolShape()
        shape.segments = 8
        shape.heads = 2
        shape.sequenceStep = 1000
        race = Race(shape)
        shape.segments += Self.crowd / 8
        crowded = Race(shape)
    }

    /// The first eight bytes are often those of another key, and some keys are longer than that.
    private static func key(_ number: Int) -> [UInt8] {
        if number >= keys { return Array("shared".utf8) + [2, UInt8(number)] }
        return number % 3 == 0
            ? [UInt8(40 + number)] : Array("shared".utf8) + [UInt8(number % 2), 7, UInt8(number)]
    }

    private static let numbers = Dictionary(
        uniqueKeysWithValues: (0..<keys + crowd).map { (key($0), $0) })

    private static func value(_ version: Int) -> [UInt8] {
        [UInt8(version & 255), UInt8(version >> 8)] + [UInt8](repeating: 1, count: version % 5 * 20)
    }

    private static func version(_ value: RawSpan) -> Int {
        value.withUnsafeBytes { Int($0[0]) | Int($0[1]) << 8 }
    }

    /// Runs one interleaving. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        random = SplitMix(seed: seed)
        problem = nil
        acknowledged = [Int](repeating: 0, count: Self.keys)
        begun = acknowledged
        let isCrowded = seed.isMultiple(of: 2)
        let race = isCrowded ? crowded : race
        // From a single leaf that is nearly full to two that are half full.
        let crowd = isCrowded ? Self.crowd / 2 + random.below(Self.crowd / 2) : 0
        crowding = Self.keys..<Self.keys + crowd
        gone = crowding.lowerBound
        do throws(StoreError) {
            let store = try race.openBlank(.ordered)
            for number in 0..<Self.firstNew { try put(number, store) }
            for number in crowding { try store.put(Self.value(1), forKey: Self.key(number)) }
            let changes = (0..<70).map { _ in (random.below(18), random.below(Self.firstNew)) }
            let reads = (0..<24).map { _ in (random.below(3), random.below(Self.staying)) }
            race.run(
                seed: random.next(),
                { _ in
                    self.collect { () throws(StoreError) in
                        for (kind, number) in changes { try self.change(kind, number, store) }
                    }
                },
                { _ in
                    self.collect { () throws(StoreError) in
                        for (kind, number) in reads { try self.read(kind, number, store) }
                    }
                })
            if let wrong = store.orderedProblem() { report("afterwards: \(wrong)") }
            try store.close()
        } catch {
            report("\(error)")
        }
        return problem.map { "seed \(seed): \($0)" }
    }

    private func collect(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { report("\(error)") }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    // MARK: The writer

    private func begin(_ number: Int, _ version: Int) { begun[number] = version }

    private func put(_ number: Int, _ store: PmemStore) throws(StoreError) {
        let version = begun[number] + 1
        begin(number, version)
        try store.put(Self.value(version), forKey: Self.key(number))
        acknowledged[number] = version
    }

    private func change(_ kind: Int, _ number: Int, _ store: PmemStore) throws(StoreError) {
        switch kind {
        case 0, 1: try store.compact()
        case 2, 3, 4:
            let version = max(begun[0], begun[1]) + 1
            var batch = WriteBatch()
            for number in 0..<2 {
                begin(number, version)
                batch.put(Self.value(version), forKey: Self.key(number))
            }
            try store.apply(batch)
            for number in 0..<2 { acknowledged[number] = version }
        case 5, 6:
            if number >= Self.staying { try store.remove(Self.key(number)) }
        case 7, 8:
            let number = begun.firstIndex(of: 0) ?? Self.staying
            try put(number, store)
        case 9 where !crowding.isEmpty: try leave(store)
        default:
            // The two of the batch always have the same version.
            if number >= 2 { try put(number, store) }
        }
    }

    /// Some of the crowd go.
    private func leave(_ store: PmemStore) throws(StoreError) {
        for number in crowding.prefix(Self.leaving) {
            crowding.removeFirst()
            if try !store.remove(Self.key(number)) { report("key \(number) is not there to go") }
            gone = number + 1
        }
    }

    // MARK: The reader

    private func read(_ kind: Int, _ number: Int, _ store: PmemStore) throws(StoreError) {
        var lowest = acknowledged
        if kind > 0 {
            let seen = try store.withValue(forKey: Self.key(number)) { Self.version($0) }
            guard let seen else { return report("key \(number) is not there") }
            lowest[number] = max(lowest[number], seen)
        }
        let limit = random.below(3) == 0 ? 5 : nil
        try scan(reverse: random.below(2) == 0, limit: limit, lowest, store)
    }

    private func scan(
        reverse: Bool, limit: Int?, _ lowest: [Int], _ store: PmemStore
    ) throws(StoreError) {
        var last: [UInt8]?
        var seen: [Int: Int] = [:]
        let gone = gone
        try store.scan(reverse: reverse, limit: limit) { key, value in
            let key = key.withUnsafeBytes { Array($0) }
            if let last, last.lexicographicallyPrecedes(key) == reverse || last == key {
                self.report("a scan is out of order")
            }
            last = key
            guard let number = Self.numbers[key] else {
                self.report("a scan shows a key that was never put")
                return false
            }
            let version = Self.version(value)
            if !value.withUnsafeBytes({ $0.elementsEqual(Self.value(version)) }) {
                self.report("a scan shows a value of another key")
            }
            if number < Self.staying, version < lowest[number] {
                self.report("a scan shows version \(version) behind \(lowest[number])")
            }
            if number >= Self.keys {
                if number < gone { self.report("a scan shows a key that was removed") }
                seen[number] = version
                return true
            }
            if version > self.begun[number] { self.report("a scan shows a version of nobody") }
            if number < 2, let first = seen[1 - number], version != first {
                self.report("a scan shows one half of a batch")
            }
            seen[number] = version
            if number >= Self.firstNew {
                self.collect { () throws(StoreError) in
                    if try !store.contains(key) {
                        self.report("a read does not find the new key that a scan shows")
                    }
                }
            }
            return true
        }
        if limit == nil, (0..<Self.staying).contains(where: { seen[$0] == nil }) {
            report("a scan leaves out a key that stays")
        }
        if limit == nil, crowding.contains(where: { seen[$0] == nil }) {
            report("a scan leaves out one of many keys")
        }
    }
}
