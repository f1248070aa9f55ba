import Testing

@testable import PmemKV

@Suite("Ordered index")
struct OrderedIndexTests {
    /// Keys that share long beginnings, end in zeroes, or are the beginning of another.
    private static func key(_ number: Int) -> [UInt8] {
        let digits = Array(String(number / 5, radix: 7).utf8)
        switch number % 5 {
        case 0: return digits
        case 1: return Array("user/00000000000000000000/".utf8) + digits
        case 2: return digits + [UInt8](repeating: 0, count: number % 4)
        case 3: return [UInt8](repeating: 255, count: 60) + digits
        default: return [UInt8](repeating: 7, count: 1 + number % 90)
        }
    }

    private let pool = TemporaryPool()

    private func makeStore(_ size: Int = 8 << 20) throws -> (PmemStore, OrderedIndex) {
        let store = try pool.create(size, segmentSize: 64 << 10) { $0.index = .ordered }
        return (store, try #require(store.engine.ordered?.unnamed))
    }

    private func insert(_ key: [UInt8], _ store: PmemStore) {
        do throws(StoreError) {
            try store.put(key.reversed(), forKey: key)
        } catch {
            Issue.record("put: \(error)")
        }
    }

    private func remove(_ key: [UInt8], _ store: PmemStore) {
        do throws(StoreError) {
            if try !store.remove(key) { Issue.record("a key is not there") }
        } catch {
            Issue.record("remove: \(error)")
        }
    }

    /// The keys from a bound on, `limit` at a time.
    private func keys(
        _ store: PmemStore, from start: [UInt8]? = nil, ascending: Bool = true, page limit: Int,
        atMost count: Int = .max
    ) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var range = ascending ? KeyRange(from: start) : KeyRange(to: start)
        var shown = limit
        while shown == limit, result.count < count {
            shown = 0
            do throws(StoreError) {
                try store.scan(range, reverse: !ascending, limit: limit) { key, value in
                    let key = key.withUnsafeBytes { Array($0) }
                    if !value.withUnsafeBytes({ $0.elementsEqual(key.reversed()) }) {
                        Issue.record("a wrong value")
                    }
                    result.append(key)
                    shown += 1
                    return true
                }
            } catch {
                Issue.record("scan: \(error)")
            }
            if let last = result.last { range = range.part(behind: last, reverse: !ascending) }
        }
        return Array(result.prefix(count))
    }

    private func order(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }

    /// Grows to thousands of keys and shrinks to none again and again; searches up and downwards
    /// from keys that are there and others that are not.
    @Test func followsASortedSet() throws {
        let (store, index) = try makeStore()
        let empty = index.memoryBytes
        var model: Set<[UInt8]> = []
        var random = SystemRandomNumberGenerator()
        for round in 0..<6 {
            for _ in 0..<6000 {
                let key = Self.key(.random(in: 0..<20_000, using: &random))
                if Int.random(in: 0..<10, using: &random) < (round.isMultiple(of: 2) ? 8 : 2) {
                    // Those that are there are overwritten: their slots keep the older record.
                    model.insert(key)
                    insert(key, store)
                } else if model.remove(key) != nil {
                    remove(key, store)
                }
            }
            if round.isMultiple(of: 3) { try store.compact() }
            #expect(store.orderedProblem() == nil)
            let sorted = model.sorted(by: order)
            #expect(keys(store, page: 64) == sorted)
            #expect(keys(store, ascending: false, page: 64) == sorted.reversed())
            for _ in 0..<300 {
                let start = Self.key(.random(in: 0..<20_000, using: &random))
                let limit = Int.random(in: 1...64, using: &random)
                let place = sorted.partitioningIndex { !order($0, start) }
                #expect(
                    keys(store, from: start, page: limit, atMost: 100)
                        == Array(sorted[place...].prefix(100)))
                #expect(
                    keys(store, from: start, ascending: false, page: limit, atMost: 100)
                        == Array(sorted[..<place].reversed().prefix(100)))
            }
        }
        for key in model.shuffled() { remove(key, store) }
        #expect(store.orderedProblem() == nil)
        #expect(keys(store, page: 64) == [])
        #expect(index.memoryBytes < empty + 5000, "what is empty is given back")
    }

    /// A leaf goes on naming a record that was overwritten. Were its extent used again before the
    /// leaf names another one, a scan would find some other key's record there: the pool here is
    /// written over many times, and nothing is scanned meanwhile. Keys with the same first bytes,
    /// so that a search has to read what the leaves name.
    @Test(arguments: [IOPath.mapped, .syscalls])
    func whatALeafNamesIsNotUsedAgain(io: IOPath) throws {
        let store = try pool.create(1 << 20, segmentSize: 16 << 10) {
            ($0.index, $0.io) = (.ordered, io)
        }
        func key(_ number: Int) -> String { "the same beginning \(1000 + number)" }
        func value(_ number: Int, _ round: Int) -> [UInt8] {
            bytes("\(number) \(round)") + [UInt8](repeating: 7, count: 40 * (number % 40))
        }
        for round in 0..<12 {
            for number in 0..<300 where (number + round) % 7 != 0 || round < 2 {
                try store.put(value(number, round), forKey: key(number))
            }
            for number in 300..<330 { try store.put("", forKey: key(number + round)) }
            for number in 300..<330 { try store.remove(key(number + round)) }
        }
        #expect(store.statistics.compactions > 20)
        #expect(store.orderedProblem() == nil)
        for _ in 0..<2 {
            var shown: [String: [UInt8]] = [:]
            try store.scan { key, value in
                let name = key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                shown[name] = value.withUnsafeBytes { Array($0) }
                return true
            }
            #expect(shown.count == 300)
            for number in 0..<300 {
                #expect(try shown[key(number)] == store.get(key(number)))
                let round = (number + 11) % 7 != 0 ? 11 : 10
                #expect(shown[key(number)] == value(number, round))
            }
        }
        #expect(store.orderedProblem() == nil)
    }

    /// As in a queue: new keys at the end, old ones taken from the front.
    @Test func aQueueDoesNotGrow() throws {
        let (store, index) = try makeStore()
        func key(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        var largest = 0
        for number in 0..<40_000 {
            insert(key(number), store)
            if number >= 1000 { remove(key(number - 1000), store) }
            if number == 8_000 { largest = index.memoryBytes }
        }
        #expect(store.orderedProblem() == nil)
        #expect(keys(store, page: 64) == (39_000..<40_000).map(key))
        #expect(index.memoryBytes <= largest + 10_000)
    }

    @Test(arguments: [0, 1, 2, 55, 56, 57, 3136, 20_000])
    func loadingEqualsInserting(count: Int) throws {
        let distinct = Array(Set((0..<count).map(Self.key)))
        do {
            let (store, _) = try makeStore(16 << 20)
            for key in distinct { insert(key, store) }
            try store.close()
        }
        let store = try pool.open {
            $0.index = .ordered
            $0.engine.recoveryThreads = 3
        }
        #expect(store.orderedProblem() == nil)
        #expect(keys(store, page: 64) == distinct.sorted(by: order))
        let more = (count..<(count + 2000)).map(Self.key).filter { !distinct.contains($0) }
        for key in Set(more) { insert(key, store) }
        #expect(store.orderedProblem() == nil)
        #expect(keys(store, page: 64) == (distinct + Set(more)).sorted(by: order))
    }

    /// Keys that stay are met by every scan, each once and in order, while the keys before them and
    /// between them come and go: in one leaf, with leaves that split and die, and in a large tree.
    @Test(arguments: [(stable: 3, between: 15), (4, 300), (200, 97)])
    func scansMeetWhatStays(stable count: Int, between: Int) throws {
        let (store, _) = try makeStore()
        @Sendable func key(_ number: Int) -> [UInt8] { bytes("key \(1_000_000 + number)") }
        let stable = (1...count).map { key($0 * between) }
        for key in stable { insert(key, store) }
        let rounds = max(2, 12_000 / (count * between))
        let done = SharedCount()
        let problems = SharedCount()
        onThreads(4) { thread in
            if thread < 2 {
                // Every other stretch of numbers belongs to one writer.
                let own = (0..<(count * between)).filter {
                    $0 / between % 2 == thread && $0 % between != 0
                }
                for _ in 0..<rounds {
                    for number in own { self.insert(key(number), store) }
                    for number in own { self.remove(key(number), store) }
                }
                done.add()
                return
            }
            while done.value < 2 {
                let seen = self.keys(store, ascending: thread == 2, page: thread == 2 ? 64 : 7)
                let ascending = thread == 2 ? seen : seen.reversed()
                if zip(ascending, ascending.dropFirst()).contains(where: { !self.order($0, $1) })
                    || !Set(stable).isSubset(of: seen)
                {
                    problems.add()
                }
            }
        }
        #expect(store.orderedProblem() == nil)
        #expect(problems.value == 0)
        #expect(keys(store, page: 64) == stable)
    }

    /// What a search found does not count any more once its leaf, or the leaf's range towards the
    /// next one, is another.
    @Test func placesNoticeChanges() throws {
        func key(_ number: Int) -> [UInt8] { bytes("\(100_000 + number)") }
        func isStill(
            ascending: Bool, at start: Int, after change: (PmemStore, OrderedIndex) -> Void
        ) throws -> (found: Bool, lockable: Bool) {
            let store = try TemporaryPool().create(2 << 20) { $0.index = .ordered }
            let index = try #require(store.engine.ordered?.unnamed)
            for number in stride(from: 0, to: 4000, by: 10) { insert(key(number), store) }
            return index.reading {
                let place = key(start).withUnsafeBytes {
                    index.place(OrderedIndex.Bound(key: ByteView($0), ascending: ascending))
                }
                #expect(place.isStill())
                change(store, index)
                let lockable = place.leaf.tryLock(place.version)
                if lockable { place.leaf.unlockUnchanged() }
                return (place.isStill(), lockable)
            }
        }
        for ascending in [true, false] {
            let start = 2000
            let untouched = try isStill(ascending: ascending, at: start) { _, _ in }
            #expect(untouched == (true, true))
            let insertion = try isStill(ascending: ascending, at: start) { store, _ in
                insert(key(start + (ascending ? 1 : -1)), store)
            }
            #expect(insertion == (false, false))
            let elsewhere = try isStill(ascending: ascending, at: start) { store, _ in
                insert(key(1), store)
            }
            #expect(elsewhere == (true, true))
            let dead = try isStill(ascending: ascending, at: start) { store, _ in
                for number in stride(from: 0, to: 4000, by: 10) { remove(key(number), store) }
            }
            #expect(dead == (false, false))
            // All leaves behind it, in the direction of the search, die; its own stays as it is.
            let neighbour = try isStill(ascending: ascending, at: start) { store, index in
                let far = stride(from: 0, to: 4000, by: 10).filter {
                    ascending ? $0 > start + 700 : $0 < start - 700
                }
                for number in far { remove(key(number), store) }
                let near = stride(from: 0, to: 4000, by: 10).filter {
                    ascending
                        ? $0 > start && $0 <= start + 700 : $0 < start && $0 >= start - 700
                }
                // Not those of the leaf itself.
                let own = index.place(at: key(ascending ? start : start - 10))
                for number in near where index.place(at: key(number)).leaf != own.leaf {
                    remove(key(number), store)
                }
            }
            #expect(neighbour.lockable && !neighbour.found)
        }
    }

    /// Between the removal of a leaf's last key and the end of the leaf another thread finds it.
    @Test func nobodyWritesIntoADeadLeaf() throws {
        func key(_ number: Int) -> [UInt8] { bytes("\(100_000 + number)") }
        let (store, index) = try makeStore()
        for number in 0..<400 { insert(key(number), store) }
        var taken: [Location] = []
        index.reading {
            let leaf = index.place(at: key(200)).leaf
            leaf.lock()
            while leaf.count > 0 {
                taken.append(leaf.location(0))
                leaf.remove(at: 0)
            }
            leaf.unlock()
            let found = index.place(at: key(200))
            #expect(found.leaf == leaf && found.isStill())
            key(200).withUnsafeBytes { index.unlinkEmptyLeaf(of: ByteView($0)) }
            #expect(!found.isStill())
            #expect(!leaf.tryLock(found.version) && !leaf.tryLock(leaf.version))
        }
        for location in taken { index.withKey(of: location) { index.insert($0, at: location) } }
        #expect(store.orderedProblem() == nil)
        #expect(keys(store, from: key(200), page: 1, atMost: 1) == [key(200)])
    }
}

extension OrderedIndex {
    fileprivate func place(at key: [UInt8]) -> Place {
        key.withUnsafeBytes { place(Bound(key: ByteView($0), ascending: true)) }
    }
}

extension Array {
    /// The first index where the condition holds, which it does from there on.
    fileprivate func partitioningIndex(_ holds: (Element) -> Bool) -> Int {
        firstIndex(where: holds) ?? count
    }
}
