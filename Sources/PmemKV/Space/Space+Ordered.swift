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
            let location = start + entry.offset
            let key = ordered.withKey(of: location) { key in
                Result { () throws(StoreError) in
                    try releaseSlot(key, entry.hash, at: location, in: ordered)
                }
            }
            do throws(StoreError) {
                guard let key, try key.get() else { return false }
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
        _ key: ByteView, _ hash: KeyHash, at location: Location, in ordered: OrderedIndex
    ) throws(StoreError) -> Bool {
        // Most often no slot names it any more.
        guard ordered.names(location, of: key) else { return true }
        let lock = index.lock(of: hash)
        lock.lock()
        defer { lock.unlock() }
        if let newest = try records.locate(key, hash) {
            ordered.move(key, from: location, to: newest.location)
            return true
        }
        if let kept = newestKept(of: key, hash) {
            ordered.move(key, from: location, toKept: kept.location)
            return true
        }
        // The slot of a key that is gone has gone with it: where it is still there, the newest
        // record is damaged.
        return !ordered.names(location, of: key)
    }
}
