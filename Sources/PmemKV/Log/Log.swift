/// The log: the heads that are appended to, and what becomes of what was appended.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I3: a record is appended by the owner of its head, and made durable before it is given back,
///   unless a drain covers all threads.
/// - I9: a valid seal word stands before no invalid summary, since the summary is durable first.
/// - The compaction head belongs to whoever holds the compaction lock; the others are any
///   writer's.
final class Log: Sendable {
    let medium: Medium
    let geometry: Geometry
    let segments: Segments
    let root: Superblocks
    let sequences: Sequences
    let gate: Gate
    /// Heads that writers use.
    let headCount: Int
    private let heads: [LogHead]
    let compactionHead: LogHead

    init(
        medium: Medium, segments: Segments, root: Superblocks, sequences: Sequences, gate: Gate,
        heads count: Int
    ) {
        self.medium = medium
        self.segments = segments
        self.root = root
        self.sequences = sequences
        self.gate = gate
        geometry = segments.geometry
        // Where writers share a round of the disk, what they write lies side by side: a round of
        // eight records is one page and not eight, and none of them waits for its head meanwhile.
        let wanted = medium.drainCoversAllThreads ? 1 : count
        headCount = max(1, min(wanted, segments.count / 4))
        heads = (0..<headCount).map { _ in LogHead.allocate() }
        compactionHead = LogHead.allocate()
    }

    deinit {
        heads.forEach { $0.deallocate() }
        compactionHead.deallocate()
    }

    /// One of the heads that writers use.
    @inline(__always)
    func head(_ number: Int) -> LogHead { heads[number] }

    var writerHeads: [LogHead] { heads }
    var allHeads: [LogHead] { heads + [compactionHead] }

    // MARK: Durability

    /// Makes all relaxed records of all heads durable.
    func sync() throws(StoreError) {
        for head in heads {
            let owned = head.own()
            if gate.isClosed { return }
            try makeDurable(owned)
        }
    }

    /// The same with one drain for all, when nobody else uses the store any more.
    func syncAtOnce() throws(StoreError) {
        for head in allHeads { flushRelaxed(head.own()) }
        try gate.guarded { () throws(StoreError) in try medium.drain(site: .syncDrain) }
        for head in allHeads { head.own().noteAllDurable() }
    }

    /// Makes everything in a head durable. The drain stays inside the ownership: nobody may append
    /// behind what it is to cover.
    func makeDurable(_ head: borrowing OwnedHead) throws(StoreError) {
        flushRelaxed(head)
        try gate.guarded { () throws(StoreError) in try medium.drain(site: .syncDrain) }
        head.noteAllDurable()
    }

    /// Makes the relaxed records of all heads durable before space is reused: what they superseded
    /// may have been the only durable version of its key (I6).
    ///
    /// Waits for owners of heads. An owner that waits for compaction has no relaxed records left
    /// (it makes them durable first), so the caller may hold the compaction lock and a head of its
    /// own.
    func settleRelaxed() throws(StoreError) {
        for head in heads {
            var round = 0
            while head.firstRelaxed != nil {
                guard let owned = head.tryOwn() else {
                    SpinWait.wait(round: round)
                    round += 1
                    continue
                }
                try makeDurable(owned)
            }
        }
    }

    /// Whether any head holds relaxed records that are not durable yet.
    var hasRelaxed: Bool { heads.contains { $0.firstRelaxed != nil } }

    /// Makes earlier relaxed records of a head ready for the next drain, so that nothing later is
    /// acknowledged before them. They count as relaxed until that drain has returned: others ask
    /// for them before they reuse space.
    @inline(__always)
    func flushRelaxed(_ head: borrowing OwnedHead) {
        guard let first = head.firstRelaxed else { return }
        flush(head, from: first)
    }

    @inline(never)
    private func flush(_ head: borrowing OwnedHead, from first: Units) {
        guard let extent = head.extent else { return }
        medium.flush(
            at: geometry.offset(of: extent) + first.bytes, count: (head.position - first).bytes,
            site: .relaxedFlush)
    }

    // MARK: Extents

    /// Closes a head's extent for good: its summary, then, durably after it, the seal. Frees it
    /// when nothing was written.
    ///
    /// The seal itself becomes durable with this thread's next drain: until then a crash finds an
    /// open extent, whose walk ends in the same place.
    func seal(_ head: borrowing OwnedHead) throws(StoreError) {
        guard let extent = head.extent else { return }
        guard !head.isEmpty else {
            head.leave()
            // Open until it is free: a sealed extent is one that compaction may choose.
            return try gate.guarded { () throws(StoreError) in try segments.release(extent) }
        }
        flushRelaxed(head)
        let filled = fill(extent, of: head)
        try gate.guarded { () throws(StoreError) in try medium.drain(site: .summaryDrain) }
        storeSeal(of: filled)
        head.leave()
    }

    /// Ends the extent of a head with its summary.
    func fill(_ extent: SegmentNumber, of head: borrowing OwnedHead) -> FilledExtent {
        assert(head.fits(units: .zero, entries: 0))
        let filled = FilledExtent(extent: extent, end: head.position)
        head.withEntries { entries in
            writeSummary(entries, of: filled)
            var longest = Units.zero
            for number in entries.indices { longest = max(longest, entries[number].units) }
            segments.noteLongest(longest)
        }
        return filled
    }

    /// Writes what the summary of an extent says, behind its records.
    func writeSummary(_ entries: Span<SummaryEntry>, of filled: FilledExtent) {
        let offset = geometry.offset(of: filled.extent) + filled.end.bytes
        Summary.withBytes(of: entries, salt: segments.salt(filled.extent)) {
            medium.copy($0, to: offset, site: .summary)
        }
        assert(hasSummary(filled, count: entries.count))
    }

    /// Closes an extent whose records and summary are durable.
    func storeSeal(of filled: FilledExtent) {
        writeSeal(of: filled)
        segments.markSealed(filled.extent, end: filled.end)
    }

    private func writeSeal(of filled: FilledExtent) {
        let seal = SealWord(salt: segments.salt(filled.extent), end: filled.end)
        let offset = geometry.sealOffset(of: filled.extent)
        medium.store(seal.rawValue, to: offset, site: .seal)
        assert(medium.holds(seal.rawValue, at: offset))
    }

    /// Whether the summary of an extent reads back as it was written; for assertions.
    private func hasSummary(_ filled: FilledExtent, count: Int) -> Bool {
        guard medium.canReadBack else { return true }
        let salt = segments.salt(filled.extent)
        let entries = try? medium.withBytes(
            at: geometry.offset(of: filled.extent) + filled.end.bytes,
            count: (segments.capacity(filled.extent) - filled.end).bytes
        ) { Summary.entries(in: $0, salt: salt, end: filled.end) }
        return entries?.count == count
    }

    /// I14: what stays open is durable up to here, so that damage in it cannot pass for a torn
    /// tail later; what is sealed has its seal. The words are durable before the superblock calls
    /// the pool clean.
    func noteTails() throws(StoreError) {
        storeSealsAgain()
        for head in allHeads {
            let owned = head.own()
            guard let extent = owned.extent, !owned.isEmpty else { continue }
            medium.store(
                TailWord(salt: owned.salt, end: owned.position).rawValue,
                to: geometry.tailOffset(of: extent), site: .tail)
        }
        try medium.drain(site: .tailDrain)
    }

    /// A thread that seals an extent leaves the seal to its next drain, which may never come: the
    /// drain of another one covers only what that one has stored.
    private func storeSealsAgain() {
        if medium.drainCoversAllThreads { return }
        for segment in segments.all
        where [.sealed, .quarantined, .limbo].contains(segments.phase(segment)) {
            writeSeal(of: FilledExtent(extent: segment, end: segments.sealedEnd(segment)))
        }
    }
}
