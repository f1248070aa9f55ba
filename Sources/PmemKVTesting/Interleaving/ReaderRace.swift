import CPmem
import PmemKV

/// Readers of keys while the index grows and shrinks under them.
///
/// The pool has 16 buckets, and so few keys that they split, overflow and are given back all the
/// time; in half of the runs the keys crowd into two of them, which makes long chains. A key that
/// stays has to be there in every read and every scan. One that is put once, and one that is
/// removed once, show nothing older after a reader has seen the change, whichever way the reader
/// asks.
package final class ReaderRace {
    private let race: Race
    private var random = SplitMix(seed: 0)
    private var problem: String?
    private var isCrowded = false
    private let spreadKeys: [Class: [[UInt8]]]
    private let crowdedKeys: [Class: [[UInt8]]]

    private enum Class: UInt8, CaseIterable {
        case staying, coming, born, gone
    }

    private static let staying = 56
    private static let coming = 24
    private static let once = 8

    package init() {
        var shape = PoolShape()
        shape.segments = 16
        shape.heads = 2
        shape.sequenceStep = 1000
        race = Race(shape)
        spreadKeys = Self.keys { _ in true }
        let seed = shape.options.engine.formatIdentity!
        // The low bits of a hash choose the bucket: these are two of the same shard.
        crowdedKeys = Self.keys { [0, 2].contains(cpmem_key_hash($0, $0.count, seed) & 15) }
    }

    /// The keys of each class that are accepted, spread over the range, so that the ordered index
    /// changes everywhere.
    private static func keys(_ isAccepted: ([UInt8]) -> Bool) -> [Class: [[UInt8]]] {
        var keys: [Class: [[UInt8]]] = [:]
        for kind in Class.allCases {
            let all = (0..<4000).lazy.map { number in
                [UInt8(truncatingIfNeeded: number * 37), UInt8(number >> 8), kind.rawValue]
            }
            keys[kind] = Array(all.filter(isAccepted).prefix(staying))
        }
        return keys
    }

    private func key(_ kind: Class, _ number: Int) -> [UInt8] {
        (isCrowded ? crowdedKeys : spreadKeys)[kind]![number]
    }

    private func put(_ kind: Class, _ number: Int, _ store: PmemStore) throws(StoreError) {
        try store.put([UInt8(number)], forKey: key(kind, number))
    }

    /// Runs one interleaving. Returns what was wrong.
    package func run(seed: UInt64) -> String? {
        random = SplitMix(seed: seed)
        problem = nil
        isCrowded = random.below(2) == 0
        let index: IndexKind = random.below(2) == 0 ? .hash : .ordered
        do throws(StoreError) {
            let store = try race.openBlank(index)
            var keys =
                (0..<Self.staying).map { (Class.staying, $0) }
                + (0..<Self.coming).map { (Class.coming, $0) }
                + (0..<Self.once).map { (Class.gone, $0) }
            keys.shuffle(using: &random)
            for (kind, number) in keys { try put(kind, number, store) }
            let changes = changes()
            let reads = (0..<40).map { _ in (random.below(8), random.below(Self.staying)) }
            race.run(
                seed: random.next(),
                { _ in self.collect { () throws(StoreError) in try self.apply(changes, store) } },
                { _ in self.collect { () throws(StoreError) in try self.read(reads, store) } })
            try store.close()
        } catch {
            return "seed \(seed), \(index): \(error)"
        }
        return problem.map { "seed \(seed), \(index): \($0)" }
    }

    private func collect(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { report("\(error)") }
    }

    private func report(_ text: String) { if problem == nil { problem = text } }

    // MARK: The writer

    private enum Change {
        case put(Class, Int)
        case remove(Class, Int)
        case overwrite(Int)
        case compact
    }

    /// Keys come in bursts, so that buckets split, and go again, so that chains are shortened.
    private func changes() -> [Change] {
        var changes: [Change] = []
        var born = 0
        var gone = 0
        var isThere = [Bool](repeating: true, count: Self.coming)
        let growing = random.below(2) == 0
        for _ in 0..<24 {
            switch random.below(12) {
            case 0, 1:
                guard born < Self.once else { continue }
                changes.append(.put(.born, born))
                born += 1
            case 2, 3:
                guard gone < Self.once else { continue }
                changes.append(.remove(.gone, gone))
                gone += 1
            case 4: changes.append(.overwrite(random.below(Self.staying)))
            case 5 where random.below(4) == 0: changes.append(.compact)
            default:
                let number = random.below(Self.coming)
                if isThere[number] {
                    changes.append(.remove(.coming, number))
                } else if growing || random.below(3) == 0 {
                    changes.append(.put(.coming, number))
                } else {
                    continue
                }
                isThere[number].toggle()
            }
        }
        return changes
    }

    private func apply(_ changes: [Change], _ store: PmemStore) throws(StoreError) {
        for change in changes {
            switch change {
            case .put(let kind, let number): try put(kind, number, store)
            case .overwrite(let number): try put(.staying, number, store)
            case .remove(let kind, let number):
                if try !store.remove(key(kind, number)) {
                    report("a remove found no \(kind) key \(number)")
                }
            case .compact: try store.compact()
            }
        }
    }

    // MARK: The reader

    private func read(_ reads: [(Int, Int)], _ store: PmemStore) throws(StoreError) {
        for (way, number) in reads {
            switch way {
            case 0: try scanAll(store)
            case 1:
                let once = number % Self.once
                if try store.contains(key(.born, once)), try !isScanned(.born, once, store) {
                    report("a scan leaves out the new key \(once) that a read has shown")
                }
            case 2:
                let once = number % Self.once
                if try store.get(key(.gone, once)) == nil, try isScanned(.gone, once, store) {
                    report("a scan shows the removed key \(once) that a read has not found")
                }
            case 3:
                if try !store.contains(key(.staying, number)) {
                    report("key \(number) is not contained")
                }
            default:
                if try store.get(key(.staying, number)) != [UInt8(number)] {
                    report("key \(number) is not there")
                }
            }
        }
    }

    private func scanAll(_ store: PmemStore) throws(StoreError) {
        var wanted = Set((0..<Self.staying).map { key(.staying, $0) })
        var last: [UInt8] = []
        try store.scan { key, _ in
            let key = key.withUnsafeBytes { Array($0) }
            if !last.lexicographicallyPrecedes(key) { self.report("a scan is out of order") }
            last = key
            wanted.remove(key)
            return true
        }
        if !wanted.isEmpty { report("a scan leaves out \(wanted.count) keys that were there") }
    }

    private func isScanned(
        _ kind: Class, _ number: Int, _ store: PmemStore
    ) throws(StoreError) -> Bool {
        let key = key(kind, number)
        var isThere = false
        try store.scan(KeyRange(from: key), limit: 1) { found, _ in
            isThere = found.withUnsafeBytes { $0.elementsEqual(key) }
            return false
        }
        return isThere
    }
}
