/// The tables of a pool that is being opened. Nobody else uses the store yet.
///
/// The catalog stands in the log as all else does. So what it says is known when all was replayed,
/// and records of a table that was emptied or dropped may be in the index by then: they are taken
/// out (I15), where there can be any.
extension Recovery {
    /// - Parameters:
    ///   - replayed: how many items each table has more than the checkpoint knows.
    ///   - lowest: the lowest number of a record that was replayed.
    func adoptTables(
        replayed: [TableNumber: Int], from lowest: SequenceNumber, threads: Int
    ) throws(StoreError) {
        guard features.contains(.tables) else { return }
        let tables = records.tables
        let vacant = try readCatalog()
        let highestFloor = tables.floors.values.max() ?? .zero
        // What a checkpoint knew of extents that are gone it has counted as well.
        if lowest < highestFloor || isOlder(than: highestFloor) || checkpoint.leftItemsOut {
            try takeOutStale(threads: threads)
        } else {
            for value in 0..<tables.highestNumber {
                let number = TableNumber(UInt16(value + 1))
                let known = value < checkpoint.tables.count ? checkpoint.tables[value] : 0
                tables.setCount(number, Int(clamping: known) &+ (replayed[number] ?? 0))
            }
        }
        for number in vacant { tables.vacate(number) }
    }

    /// Whether there is a checkpoint, and it was written before a floor was raised.
    private func isOlder(than floor: SequenceNumber) -> Bool {
        checkpoint.isLoaded && checkpoint.nextSequence <= floor
    }

    /// Takes over what the catalog says. Returns the numbers that are no table's.
    private func readCatalog() throws(StoreError) -> [TableNumber] {
        var vacant: [TableNumber] = []
        var count = 0
        for value in 0..<TableNumber.named.upperBound {
            let number = TableNumber(UInt16(value))
            let record = try TableRecord.key(of: number).withByteView {
                key throws(StoreError) -> TableRecord? in
                let key = TableKey(key, in: TableRef(.catalog))
                let found = try records.withRecord(key, records.hash(key)) { record in
                    let table = TableRecord(record.value)
                    return table?.isPossible(of: number, record.sequence) == true ? table : nil
                }
                guard let found else { return nil }
                guard let found else { throw TableRecord.damage }
                return found
            }
            if let record {
                let isTaken = record.isAlive && records.tables.named(record.name) != nil
                if isTaken, !number.isUnnamed { throw TableRecord.damage }
                count += 1
                records.tables.adopt(record, as: number, stale: 0)
                if !record.isAlive { vacant.append(number) }
            } else if !number.isUnnamed {
                break
            }
        }
        records.tables.setCount(.catalog, count)
        return vacant
    }

    /// Takes out of the index what stands below the floors, and counts the rest.
    ///
    /// - Complexity: O(keys): the first line of each record is read.
    private func takeOutStale(threads: Int) throws(StoreError) {
        let (records, liveness) = (records, liveness)
        let counts = try inParallel(records.index.shards.count, threads: threads) {
            number throws(StoreError) -> [TableNumber: Int] in
            var counts: [TableNumber: Int] = [:]
            let shard = ShardNumber(number)
            for (hash, location) in try Self.survey(shard, records, liveness, &counts) {
                records.index.lock(ofShard: shard).withLock {
                    guard let place = records.index.place(of: hash, holding: location) else {
                        return
                    }
                    records.index.remove(place, of: hash)
                }
            }
            return counts
        }
        for (table, count) in counts.joined() where !table.isUnnamed && table != .catalog {
            records.tables.setCount(table, records.tables.count(table) + count)
        }
    }

    /// Records ahead of the one looked at that are on their way to the processor.
    private static let lookahead = 16

    /// Counts the items of a shard by their tables; returns those below the floors, counted as
    /// dead.
    private static func survey(
        _ shard: ShardNumber, _ records: RecordIndex, _ liveness: Liveness,
        _ counts: inout [TableNumber: Int]
    ) throws(StoreError) -> [(KeyHash, Location)] {
        var stale: [(KeyHash, Location)] = []
        let places = records.locations(inShard: shard)
        for (number, location) in places.enumerated() {
            if number + lookahead < places.count {
                records.log.prefetchRecord(at: places[number + lookahead])
            }
            _ = try records.log.withRecord(at: location) { record -> Void? in
                guard record.knowsKey else { return nil }
                guard record.sequence < records.tables.floor(record.table) else {
                    counts[record.table, default: 0] += 1
                    return nil
                }
                stale.append((records.hash(record.tableKey), location))
                liveness.noteDead(location, record.units, record.sequence)
                return nil
            }
        }
        return stale
    }
}
