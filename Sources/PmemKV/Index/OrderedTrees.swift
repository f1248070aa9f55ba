/// The ordered indexes of a store: a tree for each table, and the bits that all of them share.
///
/// Invariants:
/// - Which tree there is changes under the lock alone, and none goes before the store does: that of
///   a table that is gone is empty, and its number's next one goes on with it.
/// - The catalog has none: nobody asks for its order.
final class OrderedTrees: @unchecked Sendable {
    let trusted: TrustBits
    let unnamed: OrderedIndex
    private let records: RecordIndex
    private let words = SharedLines(1)
    private var lock: SpinLock { SpinLock(words[0]) }
    private var named: [TableNumber: OrderedIndex] = [:]

    init(_ records: RecordIndex) {
        self.records = records
        trusted = TrustBits(records.log.geometry)
        unnamed = OrderedIndex(records, of: .unnamed, trusted)
    }

    /// The tree of a table; nil for the catalog. O(1), a lock for a moment where it is a named one.
    @inline(__always)
    func tree(of table: TableNumber) -> OrderedIndex? {
        table.isUnnamed ? unnamed : namedTree(of: table)
    }

    @inline(never)
    private func namedTree(of table: TableNumber) -> OrderedIndex? {
        guard table != .catalog else { return nil }
        return lock.withLock {
            if let tree = named[table] { return tree }
            let tree = OrderedIndex(records, of: table, trusted)
            tree.unknownKey = unnamed.unknownKey
            named[table] = tree
            return tree
        }
    }

    /// Fills the trees with all that the hash index names. Nobody else uses the store yet.
    func load(threads: Int) throws(StoreError) {
        for (table, places) in try unnamed.load(threads: threads) {
            _ = try tree(of: table)?.load(places, threads: threads)
        }
        // What cannot tell its key may be any table's.
        guard let unknown = unnamed.unknownKey else { return }
        for tree in all { tree.unknownKey = unknown }
    }

    private var all: [OrderedIndex] { lock.withLock { [unnamed] + named.values } }

    /// Bytes of DRAM that all of them take.
    var memoryBytes: Int {
        trusted.memoryBytes(records.log.segments.size) + all.reduce(0) { $0 + $1.memoryBytes }
    }

    /// The first thing that is not as the invariants say; nil when all is. Nobody else uses the
    /// store meanwhile. O(keys).
    func firstProblem() -> String? {
        var slots = 0
        for tree in all {
            if let problem = tree.firstProblem(&slots) { return problem }
        }
        let keys = records.index.count - records.tables.count(.catalog)
        return slots == keys ? nil : "the leaves have \(slots) slots for \(keys) keys"
    }
}
