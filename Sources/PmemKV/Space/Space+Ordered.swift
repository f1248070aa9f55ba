/// What compaction owes the leaves of the ordered index: that none of them names a record in an
/// extent that is retired.
///
/// Invariants:
/// - The bit of a record is taken back before the hash index names its copy (``TrustBits``).
/// - A slot may name a record that was superseded long ago, so all put records of the extent are
///   looked for, not those alone that were moved. No slot begins to name one of them meanwhile:
///   the hash index names none any more.
extension Space {
    /// Lets the slots that name records of an extent name their newest ones. False when a record is
    /// too damaged to tell its key: a slot may go on naming it. Compaction lock held.
    func releaseSlots(
        of extent: SegmentNumber, _ entries: [SummaryEntry]
    ) throws(StoreError) -> Bool {
        guard let ordered else { return true }
        let start = segments.geometry.firstLocation(of: extent)
        for entry in entries where entry.kind.isFound {
            let location = start + entry.offset
            let key = ordered.withKey(of: location) { key in
                Result { () throws(StoreError) in
                    try releaseSlot(key, entry.hash, at: location, in: ordered)
                }
            }
            guard let key else { return false }
            try key.get()
        }
        return true
    }

    private func releaseSlot(
        _ key: ByteView, _ hash: KeyHash, at location: Location, in ordered: OrderedIndex
    ) throws(StoreError) {
        // Most often no slot names it any more.
        guard ordered.mayName(location, of: key) else { return }
        let lock = index.lock(of: hash)
        lock.lock()
        defer { lock.unlock() }
        // Without a newest record the key's slot has gone with it.
        guard let newest = try records.locate(key, hash) else { return }
        ordered.move(key, from: location, to: newest.location)
    }
}
