import SystemPackage

/// Tables that come, are emptied, and go.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I15: a table is there, with its floor, once the catalog's record of it is durable. That is
///   written while all shards are locked: every other write is wholly before it or wholly behind.
/// - What stands below a floor is found by nobody from then on. It is taken out of the index behind
///   that, a few items at a time, as if a removal with the number of the floor had met it; so
///   snapshots keep what they see.
/// - One change at a time, under the catalog's lock. Whoever holds that owns no head and no shard.
extension Engine {
    // MARK: Finding them

    /// The tables of a batch; those that are not there are made where something is to be put in
    /// one.
    @inline(__always)
    func tables(for batch: WriteBatch) throws(StoreError) -> BatchTables {
        if batch.tables.isEmpty { return BatchTables(unnamed: records.unnamedTable) }
        return try namedTables(for: batch)
    }

    @inline(never)
    private func namedTables(for batch: WriteBatch) throws(StoreError) -> BatchTables {
        var named: [TableState?] = []
        var absent: [[UInt8]] = []
        var made: [[UInt8]: TableState] = [:]
        guard batch.tables.count < TableNumber.named.count else {
            throw StoreError(
                .invalidArgument,
                "a batch for \(batch.tables.count) tables; a pool has no more "
                    + "than \(TableNumber.named.count)")
        }
        for (number, name) in batch.tables.enumerated() {
            if let state = tables.named(name) {
                named.append(state)
                continue
            }
            try Self.check(tableName: name)
            let isPut = batch.entries.contains { Int($0.table) == number + 1 && $0.kind.isFound }
            let state = isPut ? try makeTable(named: name) { made[name] = $0 } : nil
            if state == nil { absent.append(name) }
            named.append(state)
        }
        return BatchTables(unnamed: records.unnamedTable, named: named, absent: absent, made: made)
    }

    /// What conditions say of a key begins with its table, and the hash of the key there; any
    /// number where there is no such table.
    func look(
        at key: RawSpan, in table: [UInt8]?, for conditions: inout Conditions
    ) throws(StoreError) -> (table: Int, hash: KeyHash) {
        // Before any lock, which in a forked child may be held for ever.
        try gate.checkReadable()
        if let table { try Self.check(tableName: table) }
        let number = table.map { name in
            conditions.number(of: name) { tables.named(name) }
        }
        return try key.withByteView { key throws(StoreError) in
            try check(key)
            guard let number else { return (0, records.hash(records.unnamed(key))) }
            let state = conditions.tables[number - 1].state ?? records.unnamedTable
            return (number, records.hash(state.key(key)))
        }
    }

    /// Refuses a name that no table can have: with control characters it would be another one in
    /// text forms.
    static func check(tableName name: [UInt8]) throws(StoreError) {
        guard (1...TableRecord.maximumNameLength).contains(name.count) else {
            throw StoreError(
                .invalidArgument,
                "a table's name has 1 to \(TableRecord.maximumNameLength) bytes, not \(name.count)")
        }
        guard TableRecord.isText(name) else {
            throw StoreError(
                .invalidArgument, "a table's name is UTF-8 without control characters")
        }
    }

    // MARK: Changing them

    /// A table of this name: the one that is there, or a new one, durably.
    ///
    /// - Parameter noteNew: is told of a new one.
    /// - Complexity: O(1) where it is there; else O(shards) and a fence, during which all writers
    ///   wait.
    func makeTable(
        named name: [UInt8], _ noteNew: (TableState) -> Void = { _ in }
    ) throws(StoreError) -> TableState {
        try Self.check(tableName: name)
        while true {
            if let state = tables.named(name) { return state }
            try gate.checkWritable()
            try changingCatalog { () throws(StoreError) in
                guard tables.named(name) == nil else { return }
                guard let number = tables.vacantNumber() else {
                    throw StoreError(
                        .outOfSpace,
                        telling: "there are \(TableNumber.named.count) tables, as many as a pool "
                            + "can have; drop some", cause: .noSpace)
                }
                let record = TableRecord(
                    isAlive: true, floor: tables.floor(number), name: name)
                _ = try write(record, of: number, raisingFloor: false)
                if let state = tables.named(name) { noteNew(state) }
            }
        }
    }

    /// Takes all keys out of a table, and the table away if it is to go. Returns whether it was
    /// there.
    ///
    /// - Parameter name: nil for the unnamed table, which stays.
    /// - Complexity: O(shards) and a fence, during which all writers wait; then O(keys of all
    ///   tables), during which others go on.
    func empty(_ name: [UInt8]?, drop: Bool) throws(StoreError) -> Bool {
        if let name { try Self.check(tableName: name) }
        try gate.checkWritable()
        var emptied: (number: TableNumber, floor: SequenceNumber?)?
        try changingCatalog { () throws(StoreError) in
            let state = name.map { tables.named($0) } ?? records.unnamedTable
            guard let number = state?.ref.number else { return }
            let record = TableRecord(isAlive: !drop, floor: .zero, name: name ?? [])
            emptied = (number, try write(record, of: number, raisingFloor: true))
        }
        guard let (number, floor) = emptied else { return false }
        guard let floor else { return true }
        defer { tables.endSweep() }
        do throws(StoreError) {
            try sweep(number, below: floor)
            if drop { tables.vacate(number) }
        } catch {
            // It has been done: of a store that was closed the next opening takes the rest out.
            guard error.code == .closed else { throw error }
        }
        return true
    }

    private func changingCatalog(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        catalogLock.lock()
        defer { catalogLock.unlock() }
        try body()
    }

    /// Writes what the catalog says of a number, and lets it be so. Returns the floor; nil, and
    /// writes nothing, where a table that stays is empty already: in a full pool that would take
    /// room from removals and give none.
    private func write(
        _ record: TableRecord, of number: TableNumber, raisingFloor: Bool
    ) throws(StoreError) -> SequenceNumber? {
        var record = record
        var isNeeded = true
        let key = TableRecord.key(of: number)
        // The floor is known when a head is owned, which no closure takes along.
        let value = UnsafeMutableRawBufferPointer.allocate(
            byteCount: record.value.count, alignment: 8)
        defer { unsafe value.deallocate() }
        try key.withByteView { key throws(StoreError) in
            let key = TableKey(key, in: TableRef(.catalog))
            let hash = records.hash(key)
            let size = RecordLayout.units(
                keyLength: key.bytes.count, valueLength: value.count, isExtended: true)
            let head = try space.acquireHead(
                units: size, entries: 1, for: raisingFloor ? .tombstones : .records
            ) { [size] }
            // Whoever closes waits for the head: before it is owned nothing may be written.
            try givingBack(head) { () throws(StoreError) in
                try gate.failing { () throws(StoreError) in try log.root.require(.tables) }
            }
            for shard in index.shards { index.lock(ofShard: shard).lock() }
            defer { for shard in index.shards { index.lock(ofShard: shard).unlock() } }
            // Nobody takes a number meanwhile: this is the one that the record gets.
            if raisingFloor { record.floor = sequences.upcoming }
            let stale = raisingFloor ? self.count(number) : 0
            isNeeded =
                !raisingFloor || !record.isAlive || leavesTombstone(of: stale > 0, promised: true)
            guard isNeeded else { return try log.giveBackSpares(head) }
            unsafe value.copyBytes(from: record.value)
            let source = RecordSource(
                kind: .put, hash: hash, key: key,
                value: unsafe ByteView(UnsafeRawBufferPointer(value)))
            let written = try append(source, to: head, relaxed: false)
            assert(!raisingFloor || written.sequence == record.floor)
            if raisingFloor { tables.beginSweep() }
            tables.adopt(record, as: number, stale: stale)
            try publish(source, at: written)
        }
        return isNeeded ? record.floor : nil
    }

    /// Keys of a table.
    func count(_ number: TableNumber) -> Int {
        // Counted one behind the other: while others write, it may be off.
        number.isUnnamed ? max(0, index.count - tables.otherItems) : tables.count(number)
    }

    /// Keys of all tables.
    var keyCount: Int {
        return max(0, index.count - tables.count(.catalog) - tables.staleCount)
    }

    // MARK: Sweeping

    /// Takes what stands below a table's floor out of the indexes.
    ///
    /// - Complexity: O(items of all tables): where the items of one are cannot be told.
    private func sweep(_ number: TableNumber, below floor: SequenceNumber) throws(StoreError) {
        for shard in index.shards {
            // What was collected stays where it is, and whoever closes waits.
            try records.epochs.reading { () throws(StoreError) in
                try gate.checkReadable()
                let lock = index.lock(ofShard: shard)
                let places = lock.withLock { records.locations(inShard: shard) }
                for start in stride(from: 0, to: places.count, by: Self.sweptAtOnce) {
                    let part = places[start..<min(start + Self.sweptAtOnce, places.count)]
                    for location in part { log.prefetchRecord(at: location) }
                    lock.lock()
                    defer { lock.unlock() }
                    for location in part { try sweep(location, number, below: floor) }
                }
            }
        }
    }

    /// Records that are looked at under a shard's lock.
    private static let sweptAtOnce = 64

    private func sweep(
        _ location: Location, _ number: TableNumber, below floor: SequenceNumber
    ) throws(StoreError) {
        _ = try log.withRecord(at: location) { record throws(StoreError) -> Void? in
            // Somewhere else by now, or overwritten, it is not this one's any more; and what cannot
            // tell its key may be any table's.
            guard record.knowsKey, record.table == number, record.sequence < floor else {
                return nil
            }
            let key = record.tableKey
            let source = RecordSource.tombstone(key, records.hash(key))
            guard let found = try records.locate(key, source.hash), found.sequence < floor else {
                return nil
            }
            let isKept =
                found.sequence < snapshots.newest && space.keep(found, of: source, until: floor)
            if !isKept { liveness.noteDead(found.location, found.units, found.sequence) }
            leaveIndexes(found, source)
            tables.noteStaleGone()
            return nil
        }
    }
}
