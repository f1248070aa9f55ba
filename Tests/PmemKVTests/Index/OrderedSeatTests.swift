import Testing

@testable import PmemKV

/// What a write found before its record was written, used after the tree has changed.
@Suite("Seats in the ordered index")
struct OrderedSeatTests {
    /// In digits of one length, so that keys order like their numbers.
    private static func key(_ number: Int) -> [UInt8] { bytes("\(100_000 + number)") }
    /// The keys of the tree, several inner nodes full.
    private static let numbers = Array(stride(from: 0, to: 60_000, by: 10))

    /// What happens between the search and the write.
    enum Change: CaseIterable {
        case none, otherKey, leafSplit, leafDeath, parentDeath, parentSplit
    }

    /// A leaf is the one of a key for as long as the node above it leads there. If a write took a
    /// leaf that was split, or died, since it was looked for, its key would be found by nobody.
    @Test(arguments: Change.allCases)
    func noticeChanges(change: Change) throws {
        let store = try TemporaryPool().create(8 << 20) { $0.index = .ordered }
        let index = try #require(store.engine.ordered?.unnamed)
        for number in Self.numbers { try store.put("", forKey: Self.key(number)) }
        // The last of a leaf in the midst of the tree: a split moves it to another leaf.
        let leaf = index.leaf(of: Self.key(30_000))
        let wanted = try #require(Self.numbers.last { index.leaf(of: Self.key($0)) == leaf })
        let key = Self.key(wanted)
        // Out of the tree, not of the store: so the seat's write is one that adds it.
        let records = store.engine.records
        let found = try key.withByteView { key throws(StoreError) in
            try records.locate(records.unnamed(key), records.hash(records.unnamed(key)))
        }
        let location = try #require(found?.location)
        key.withByteView { index.remove($0, at: location) }

        let seat = key.withByteView { index.seat(of: $0) }
        defer { index.leave(seat) }
        let hint = key.withByteView { index.hint(of: $0) }
        #expect(hint.leaf == leaf)
        try make(change, of: wanted, store, index)
        let staysInLeaf = [.none, .otherKey, .parentSplit].contains(change)
        #expect((index.leaf(of: key) == leaf) == staysInLeaf)
        let isLocked = hint.tryLock()
        if isLocked { leaf.unlockUnchanged() }
        #expect(isLocked == [.none, .otherKey].contains(change))

        key.withByteView { index.insert($0, at: location, seat) }
        #expect(store.orderedProblem() == nil)
        var seen: [[UInt8]] = []
        try store.scan(KeyRange(from: key), limit: 1) { key, _ in
            seen.append(key.withUnsafeBytes { Array($0) })
            return true
        }
        #expect(seen == [key])
    }

    private func make(
        _ change: Change, of wanted: Int, _ store: PmemStore, _ index: OrderedIndex
    ) throws {
        let (leaf, parent) = (
            index.leaf(of: Self.key(wanted)), index.lowestNode(of: Self.key(wanted))
        )
        let others = Self.numbers.filter { $0 != wanted }
        func put(_ number: Int) throws { try store.put("", forKey: Self.key(number)) }
        func isInLeaf(_ number: Int) -> Bool { index.leaf(of: Self.key(number)) == leaf }
        func isBelowParent(_ number: Int) -> Bool {
            index.lowestNode(of: Self.key(number)) == parent
        }
        switch change {
        case .none: break
        case .otherKey:
            let count = leaf.count
            try put(wanted + 1)
            #expect(leaf.count == count + 1)
        case .leafSplit:
            let children = parent.count
            for number in wanted + 1..<wanted + 10 { try put(number) }
            #expect(parent.count == children + 1)
        case .leafDeath:
            for number in others.filter(isInLeaf) { try store.remove(Self.key(number)) }
            #expect(leaf.isDead && !parent.isDead)
        case .parentDeath:
            for number in others.filter(isBelowParent) { try store.remove(Self.key(number)) }
            #expect(leaf.isDead && parent.isDead)
        case .parentSplit:
            let version = leaf.version
            let elsewhere = others.filter { isBelowParent($0) && !isInLeaf($0) }
            var children = parent.count
            for number in elsewhere.lazy.flatMap({ $0 + 1..<$0 + 10 }) {
                try put(number)
                if parent.count < children { break }
                children = parent.count
            }
            #expect(parent.count < children && leaf.version == version)
        }
    }
}

extension OrderedNode {
    /// Of an unlocked node.
    fileprivate var isDead: Bool { version & 3 != 0 }
}

extension OrderedIndex {
    fileprivate func leaf(of key: [UInt8]) -> OrderedNode {
        key.withByteView { place(Bound(key: $0, ascending: true)).leaf }
    }

    /// The node above the leaf of a key.
    fileprivate func lowestNode(of key: [UInt8]) -> OrderedNode {
        var node = root
        while !node.header.isLowest {
            node = node.child(key.withByteView { node.ownChildNumber(of: $0, pastEqual: true) })
        }
        return node
    }
}
