/// A table as it is, or was when somebody looked.
struct TableState: Sendable, Equatable {
    let ref: TableRef
    /// See ``TableKey/floor``.
    let floor: SequenceNumber

    @inline(__always)
    func key(_ bytes: ByteView) -> TableKey { TableKey(bytes, in: ref, from: floor) }

    /// The same for who sees it as it was, whatever it is by now.
    var past: TableState { TableState(ref: TableRef(ref.number), floor: floor) }
}

/// The tables of a store: what they are called, which numbers they have, and how many keys.
///
/// The catalog is a table of its own on the medium (docs/format.md, "Tables"): for each number that
/// was ever given away a record with the name, whether the table is there, and its floor. This is
/// what DRAM knows of it.
///
/// Invariants:
/// - Names, numbers and floors change while all shards are locked, after the catalog's record is
///   durable and before anybody finds it. So whoever holds a shard, and sees a table as it was,
///   writes to that one.
/// - A record of a table whose number is below the floor is none of its keys, though the index may
///   still name it: until all of these are taken out (``Space``), and no longer.
/// - No two tables that were ever there since the pool was opened have one ``TableRef``: what was
///   found for one that is still current is the table's.
/// - Numbers are given away without gaps: the catalog has a record for each up to the highest.
final class Tables: @unchecked Sendable {
    /// For each number, which table it is, zero for none, and its floor.
    private let words = SharedLines(1 << 14)
    /// Keys by number: away from the words that every read looks at.
    private let counts = SharedLines(1 << 13)
    private let control = SharedLines(1)
    private var lock: SpinLock { SpinLock(control[0]) }
    /// Items of the index below their tables' floors; how many have ceased to be.
    private var staleWord: AtomicWord { control[1] }
    private var goneWord: AtomicWord { control[2] }
    /// Whoever takes these out of the index, and how often one has come to its end.
    private var sweepers: AtomicWord { control[3] }
    private var endedWord: AtomicWord { control[4] }
    /// The highest number that was given away. Changed under the lock.
    private var highestWord: AtomicWord { control[5] }
    /// The rest is under the lock.
    private var names: [[UInt8]: TableState] = [:]
    private var lives: UInt64 = 0
    /// Numbers that were given away and are no table's, and nothing of them is in the index.
    private var vacant: Set<TableNumber> = []

    @inline(__always)
    private func refWord(_ number: TableNumber) -> AtomicWord {
        words[Int(number.rawValue) &* 2]
    }
    /// For whoever keeps this as long.
    @inline(__always)
    func floorWord(_ number: TableNumber) -> AtomicWord {
        words[Int(number.rawValue) &* 2 &+ 1]
    }
    @inline(__always)
    private func countWord(_ number: TableNumber) -> AtomicWord { counts[Int(number.rawValue)] }

    // MARK: Looking

    @inline(__always)
    func floor(_ number: TableNumber) -> SequenceNumber {
        SequenceNumber(floorWord(number).loadAcquire())
    }

    /// Whether a table is still the one that it was.
    @inline(__always)
    func isCurrent(_ ref: TableRef) -> Bool {
        !ref.hasLife || refWord(ref.number).loadAcquire() == ref.rawValue
    }

    /// What a name stands for now; nil when there is no such table. O(1), a lock for a moment.
    func named(_ name: [UInt8]) -> TableState? { lock.withLock { names[name] } }

    /// All names and what they stand for. O(1); changing the tables then is O(tables) once.
    var all: [[UInt8]: TableState] { lock.withLock { names } }

    /// The floors that are not zero. O(numbers).
    var floors: [TableNumber: SequenceNumber] {
        var floors: [TableNumber: SequenceNumber] = [:]
        for value in 0...highestNumber {
            let number = TableNumber(UInt16(value))
            if floor(number) > .zero { floors[number] = floor(number) }
        }
        return floors
    }

    /// The highest number that was given away.
    var highestNumber: Int { Int(truncatingIfNeeded: highestWord.loadAcquire()) }

    // MARK: Counting

    /// Keys of a named table, or of the catalog.
    @inline(__always)
    func count(_ number: TableNumber) -> Int {
        Int(truncatingIfNeeded: countWord(number).loadRelaxed())
    }

    /// Items of the index that are no keys of the unnamed table.
    var otherItems: Int {
        let named = (0..<(highestNumber + 1)).dropFirst().reduce(0) {
            $0 + count(TableNumber(UInt16($1)))
        }
        return named + count(.catalog) + staleCount
    }

    /// Items of the index that are nobody's keys any more.
    var staleCount: Int { Int(truncatingIfNeeded: staleWord.loadRelaxed()) }

    /// A key of a named table, or of the catalog, came or went.
    func noteKey(of number: TableNumber, isNew: Bool) {
        countWord(number).addRelaxed(isNew ? 1 : .max)
    }

    func setCount(_ number: TableNumber, _ keys: Int) {
        countWord(number).storeRelaxed(UInt64(truncatingIfNeeded: keys))
    }

    /// An item below its table's floor has gone, or has become a key's again.
    func noteStaleGone() {
        staleWord.addRelaxed(.max)
        goneWord.addRelaxed(1)
    }

    var goneCount: Int { Int(truncatingIfNeeded: goneWord.loadRelaxed()) }

    /// Around the time in which items below a floor are taken out of the index.
    func beginSweep() { sweepers.fetchAdd(1) }
    func endSweep() {
        sweepers.fetchSubtract(1)
        endedWord.fetchAdd(1)
    }

    var sweepsEnded: UInt64 { endedWord.loadAcquire() }

    /// Whether there is more room to come by that.
    var isSwept: Bool { sweepers.loadAcquire() != 0 }

    // MARK: Changing. All shards are locked, or nobody else uses the store yet.

    /// A number for a new table; nil when there is none.
    func vacantNumber() -> TableNumber? {
        lock.withLock {
            if let number = vacant.min() { return number }
            let next = highestNumber + 1
            return TableNumber.named.contains(next) ? TableNumber(UInt16(next)) : nil
        }
    }

    /// Takes over what a record of the catalog says of a number.
    ///
    /// - Parameter stale: items of the index that are below the floor from now on.
    func adopt(_ record: TableRecord, as number: TableNumber, stale: Int) {
        lock.withLock {
            if !number.isUnnamed {
                highestWord.storeRelease(max(highestWord.loadRelaxed(), UInt64(number.rawValue)))
                vacant.remove(number)
                lives += 1
                let ref = TableRef(number, life: lives)
                if record.isAlive {
                    names[record.name] = TableState(ref: ref, floor: record.floor)
                } else if names[record.name]?.ref.number == number {
                    names[record.name] = nil
                }
                refWord(number).storeRelease(record.isAlive ? ref.rawValue : 0)
            }
            floorWord(number).storeRelease(record.floor.rawValue)
            if stale > 0 {
                setCount(number, 0)
                staleWord.addRelaxed(UInt64(stale))
            }
        }
    }

    /// Nothing of a number that is no table's is in the index any more.
    func vacate(_ number: TableNumber) {
        lock.withLock {
            if refWord(number).loadRelaxed() == 0 { vacant.insert(number) }
        }
    }
}

/// The tables as they were at one moment.
struct SeenTables: Sendable {
    let names: [[UInt8]: TableState]
    let unnamed: TableState
    private let counts: [TableNumber: Int]

    /// All shards are locked. O(tables).
    init(_ tables: Tables, unnamed: TableState, unnamedKeys: Int) {
        names = tables.all.mapValues(\.past)
        self.unnamed = unnamed
        var counts: [TableNumber: Int] = [.unnamed: unnamedKeys]
        for state in names.values { counts[state.ref.number] = tables.count(state.ref.number) }
        self.counts = counts
    }

    /// Keys of a table.
    func count(_ table: TableState) -> Int { counts[table.ref.number] ?? 0 }
}
