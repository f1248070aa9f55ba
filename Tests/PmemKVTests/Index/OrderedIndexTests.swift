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

    private func insert(_ key: [UInt8], _ index: OrderedIndex) {
        key.withByteView { index.insert($0) }
    }

    private func remove(_ key: [UInt8], _ index: OrderedIndex) {
        key.withByteView { index.remove($0) }
    }

    /// The keys from a bound on, page by page.
    private func keys(
        _ index: OrderedIndex, from start: [UInt8]? = nil, ascending: Bool = true, page limit: Int,
        atMost count: Int = .max
    ) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var page = OrderedPage()
        var next = start
        repeat {
            index.read(from: next, ascending: ascending, limit: limit, into: &page)
            for number in 0..<page.count { result.append(page.withKey(number) { $0.array }) }
            next = page.next
        } while next != nil && result.count < count
        return Array(result.prefix(count))
    }

    private func order(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }

    /// Grows to thousands of keys and shrinks to none again and again; searches up and downwards
    /// from keys that are there and others that are not.
    @Test func followsASortedSet() throws {
        let index = OrderedIndex()
        let empty = index.memoryBytes
        var model: Set<[UInt8]> = []
        var random = SystemRandomNumberGenerator()
        for round in 0..<6 {
            for _ in 0..<6000 {
                let key = Self.key(.random(in: 0..<20_000, using: &random))
                if Int.random(in: 0..<10, using: &random) < (round.isMultiple(of: 2) ? 8 : 2) {
                    if model.insert(key).inserted { insert(key, index) }
                } else if model.remove(key) != nil {
                    remove(key, index)
                }
            }
            index.checkStructure()
            let sorted = model.sorted(by: order)
            #expect(keys(index, page: 64) == sorted)
            #expect(keys(index, ascending: false, page: 64) == sorted.reversed())
            for _ in 0..<300 {
                let start = Self.key(.random(in: 0..<20_000, using: &random))
                let limit = Int.random(in: 1...64, using: &random)
                let place = sorted.partitioningIndex { !order($0, start) }
                #expect(
                    keys(index, from: start, page: limit, atMost: 100)
                        == Array(sorted[place...].prefix(100)))
                #expect(
                    keys(index, from: start, ascending: false, page: limit, atMost: 100)
                        == Array(sorted[..<place].reversed().prefix(100)))
            }
        }
        for key in model.shuffled() { remove(key, index) }
        index.checkStructure()
        #expect(keys(index, page: 64) == [])
        #expect(index.memoryBytes < empty + 5000, "what is empty is given back")
    }

    /// As in a queue: new keys at the end, old ones taken from the front.
    @Test func aQueueDoesNotGrow() {
        let index = OrderedIndex()
        func key(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        var largest = 0
        for number in 0..<100_000 {
            insert(key(number), index)
            if number >= 1000 { remove(key(number - 1000), index) }
            if number == 20_000 { largest = index.memoryBytes }
        }
        index.checkStructure()
        #expect(keys(index, page: 64) == (99_000..<100_000).map(key))
        #expect(index.memoryBytes <= largest + 10_000)
    }

    @Test(arguments: [0, 1, 2, 56, 57, 58, 3249, 20_000])
    func loadingEqualsInserting(count: Int) throws {
        let loaded = OrderedIndex()
        let distinct = Array(Set((0..<count).map(Self.key)))
        let copies = distinct.map { key in
            key.withUnsafeBytes { loaded.makeKey(ByteView($0)) }
        }
        try loaded.load(copies, threads: 3)
        loaded.checkStructure()
        #expect(keys(loaded, page: 64) == distinct.sorted(by: order))
        let more = (count..<(count + 2000)).map(Self.key).filter { !distinct.contains($0) }
        for key in Set(more) { insert(key, loaded) }
        loaded.checkStructure()
        #expect(keys(loaded, page: 64) == (distinct + Set(more)).sorted(by: order))
    }

    /// Keys that stay are met by every scan, each once and in order, while the keys before them and
    /// between them come and go: in one leaf, with leaves that split and die, and in a large tree.
    @Test(arguments: [(stable: 3, between: 15), (4, 300), (200, 97)])
    func scansMeetWhatStays(stable count: Int, between: Int) {
        let index = OrderedIndex()
        @Sendable func key(_ number: Int) -> [UInt8] { bytes("key \(1_000_000 + number)") }
        let stable = (1...count).map { key($0 * between) }
        for key in stable { insert(key, index) }
        let rounds = max(6, 60_000 / (count * between))
        let done = SharedCount()
        let problems = SharedCount()
        onThreads(4) { thread in
            if thread < 2 {
                // Every other stretch of numbers belongs to one writer.
                let own = (0..<(count * between)).filter {
                    $0 / between % 2 == thread && $0 % between != 0
                }
                for _ in 0..<rounds {
                    for number in own { self.insert(key(number), index) }
                    for number in own { self.remove(key(number), index) }
                }
                done.add()
                return
            }
            while done.value < 2 {
                let seen = self.keys(index, ascending: thread == 2, page: thread == 2 ? 64 : 7)
                let ascending = thread == 2 ? seen : seen.reversed()
                if zip(ascending, ascending.dropFirst()).contains(where: { !self.order($0, $1) })
                    || !Set(stable).isSubset(of: seen)
                {
                    problems.add()
                }
            }
        }
        index.checkStructure()
        #expect(problems.value == 0)
        #expect(keys(index, page: 64) == stable)
    }

    /// What a search found does not count any more once its leaf, or the leaf's range towards the
    /// next one, is another.
    @Test func placesNoticeChanges() {
        func key(_ number: Int) -> [UInt8] { bytes("\(100_000 + number)") }
        func isStill(
            ascending: Bool, at start: Int, after change: (OrderedIndex) -> Void
        ) -> (found: Bool, lockable: Bool) {
            let index = OrderedIndex()
            for number in stride(from: 0, to: 4000, by: 10) { insert(key(number), index) }
            return index.reading {
                let place = key(start).withUnsafeBytes {
                    index.place(OrderedIndex.Bound(key: ByteView($0), ascending: ascending))
                }
                #expect(place.isStill())
                change(index)
                let lockable = place.leaf.tryLock(place.version)
                if lockable { place.leaf.unlockUnchanged() }
                return (place.isStill(), lockable)
            }
        }
        for ascending in [true, false] {
            let start = 2000
            let untouched = isStill(ascending: ascending, at: start) { _ in }
            #expect(untouched == (true, true))
            let insertion = isStill(ascending: ascending, at: start) {
                insert(key(start + (ascending ? 1 : -1)), $0)
            }
            #expect(insertion == (false, false))
            let elsewhere = isStill(ascending: ascending, at: start) { insert(key(1), $0) }
            #expect(elsewhere == (true, true))
            let dead = isStill(ascending: ascending, at: start) { index in
                for number in stride(from: 0, to: 4000, by: 10) { remove(key(number), index) }
            }
            #expect(dead == (false, false))
            // All leaves behind it, in the direction of the search, die; its own stays as it is.
            let neighbour = isStill(ascending: ascending, at: start) { index in
                let far = stride(from: 0, to: 4000, by: 10).filter {
                    ascending ? $0 > start + 700 : $0 < start - 700
                }
                for number in far { remove(key(number), index) }
                let near = stride(from: 0, to: 4000, by: 10).filter {
                    ascending
                        ? $0 > start && $0 <= start + 700 : $0 < start && $0 >= start - 700
                }
                // Not those of the leaf itself.
                let own = index.place(at: key(ascending ? start : start - 10))
                for number in near where index.place(at: key(number)).leaf != own.leaf {
                    remove(key(number), index)
                }
            }
            #expect(neighbour.lockable && !neighbour.found)
        }
    }

    /// Between the removal of a leaf's last key and the end of the leaf another thread finds it.
    @Test func nobodyWritesIntoADeadLeaf() {
        func key(_ number: Int) -> [UInt8] { bytes("\(100_000 + number)") }
        let index = OrderedIndex()
        for number in 0..<400 { insert(key(number), index) }
        index.reading {
            let leaf = index.place(at: key(200)).leaf
            leaf.lock()
            while leaf.count > 0 { index.retire(leaf.remove(at: 0)) }
            leaf.unlock()
            let found = index.place(at: key(200))
            #expect(found.leaf == leaf && found.isStill())
            key(200).withUnsafeBytes { index.unlinkEmptyLeaf(of: ByteView($0)) }
            #expect(!found.isStill())
            #expect(!leaf.tryLock(found.version) && !leaf.tryLock(leaf.version))
        }
        insert(key(200), index)
        index.checkStructure()
        #expect(keys(index, from: key(200), page: 1, atMost: 1) == [key(200)])
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

extension OrderedIndex {
    /// Traps unless every node is as its invariants say: order, shared bytes, prefixes, ranges.
    fileprivate func checkStructure() {
        check(root, from: nil, to: nil)
    }

    private func check(_ node: OrderedNode, from low: OrderedKey?, to high: OrderedKey?) {
        precondition(node.version & 3 == 0, "locked or dead")
        var previous = low
        for slot in 0..<node.count {
            let key = node.key(slot)
            if let previous {
                let order = previous.bytes.order(against: key.bytes)
                precondition(order < 0 || order == 0 && slot == 0, "out of order")
            }
            precondition(
                high.map { key.bytes.order(against: $0.bytes) < 0 } ?? true, "out of range")
            let shared = node.header.shared
            precondition(key.count >= shared && key.count > 0)
            precondition(node.prefix(slot) == key.bytes.dropFirst(shared).sortPrefix)
            precondition(node.orderAgainstShared(key.bytes, shared) == 0, "shared bytes")
            previous = key
        }
        guard !node.isLeaf else { return }
        for number in 0...node.count {
            check(
                node.child(number), from: number == 0 ? low : node.key(number - 1),
                to: number == node.count ? high : node.key(number))
        }
    }
}
