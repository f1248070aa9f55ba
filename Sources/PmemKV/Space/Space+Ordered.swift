/// What compaction owes the leaves of the ordered index: that none of them names a record in an
/// extent that is retired.
///
/// Invariants:
/// - The bit of a record is taken back before the hash index names its copy (``TrustBits``).
/// - A slot may name a record that was superseded long ago, so all put records of the extent are
///   looked for, not those alone that were moved. No slot begins to name one of them meanwhile:
///   the hash index names none any more, and what snapshots keep of them has its copy.
extension Space {
    /// Lets the slots that name records of an extent, which begins at `start`, name their newest
    /// ones. False when one of them or of those is too damaged to tell its key: a slot may go on
    /// naming what lies here. Compaction lock held.
    func releaseSlots(
        of entries: ArraySlice<SummaryEntry>, _ start: Location
    ) throws(StoreError) -> Bool {
        guard let ordered else { return true }
        for entry in entries where entry.kind.isFound {
            do throws(StoreError) {
                let isReleased = try log.withRecord(at: start + entry.offset) {
                    record throws(StoreError) -> Bool? in
                    guard record.knowsKey else { return nil }
                    guard let tree = ordered.tree(of: record.table) else { return true }
                    return try releaseSlot(
                        record.tableKey, entry.hash, at: record.location, in: tree)
                }
                guard isReleased == true else { return false }
            } catch {
                // As with a record that cannot be copied: what is damaged stays where it is.
                guard error.code == .corrupt || error.code == .media, !gate.isFailed else {
                    throw error
                }
                return false
            }
        }
        return true
    }

    /// Whether no leaf is believed about anything in an extent, as it is to be when that is freed.
    func isUntrusted(_ extent: SegmentNumber) -> Bool {
        guard let ordered else { return true }
        let start = segments.geometry.firstLocation(of: extent)
        return ordered.trusted.isEmpty(from: start, to: start + segments.capacity(extent))
    }

    private func releaseSlot(
        _ key: TableKey, _ hash: KeyHash, at location: Location, in tree: OrderedIndex
    ) throws(StoreError) -> Bool {
        // Most often no slot names it any more.
        guard tree.names(location, of: key.bytes) else { return true }
        let lock = index.lock(of: hash)
        lock.lock()
        defer { lock.unlock() }
        if let newest = try records.locate(key, hash) {
            tree.move(key.bytes, from: location, to: newest.location)
            return true
        }
        if let kept = newestKept(of: key, hash) {
            tree.move(key.bytes, from: location, toKept: kept.location)
            return true
        }
        // The slot of a key that is gone has gone with it: where it is still there, the newest
        // record is damaged.
        return !tree.names(location, of: key.bytes)
    }
}
