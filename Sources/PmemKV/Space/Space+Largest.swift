/// How long a value the pool has room for.
extension Space {
    /// Bytes of the longest value that can be stored now, after compaction if need be, under a key
    /// of up to ``RecordLayout/keyAllowance`` bytes.
    ///
    /// Records longer than a segment and damaged extents stay where they are. All else can be
    /// moved together and away, so what counts is how many segments it takes then; and while it is
    /// moved the reserves stay free.
    ///
    /// - Complexity: O(records) time: the summaries of all extents are read, but for those in which
    ///   nothing has died since they last were.
    func largestValue() throws(StoreError) -> Int {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try gate.checkReadable()
        return largestValue(in: largestSpan())
    }

    /// The same when so many segments can be taken. Compaction lock held.
    func largestValue(in span: Int) -> Int {
        guard span > 0 else { return largestRest() }
        let units = segments.geometry.units(ofSpan: span) - Summary.units(entries: 1)
        return RecordLayout.longestValue(in: units)
    }

    /// Bytes of the longest value that an open extent has room for. Extents in which somebody
    /// writes do not count. Compaction lock held.
    func largestRest() -> Int {
        var largest = 0
        for extent in segments.all where segments.phase(extent) == .open {
            guard let open = openExtent(extent), !open.isForTombstones || !isNearlyFull else {
                continue
            }
            largest = max(largest, RecordLayout.longestValue(in: open.room.rest))
        }
        return largest
    }

    /// The longest extent that can be taken, in segments. Compaction lock held.
    func largestSpan() -> Int { largestSpan(sure: sureSpan()) }

    func largestSpan(sure: Int) -> Int {
        guard sure == 0 else { return sure }
        let missing = 1 + reserve(for: .records) - segments.freeCount - limbo.count
        guard missing > 0 else { return 1 }
        return extentsToPack(log.compactionHead.own(), freeing: missing).extents.isEmpty ? 0 : 1
    }

    /// Whether compaction surely makes a segment free, going by sums: no summary is read. What is
    /// still open counts as full. Compaction lock held. O(segments).
    var isRoomy: Bool {
        guard knowsLongest else { return false }
        let geometry = segments.geometry
        var live = Units.zero
        var lost = 0
        for segment in segments.all {
            let role = segments.role(segment)
            switch role.phase {
            case .open: lost += 1
            case .sealed where role.span == 1: live += liveness.liveUnits(segment)
            case _ where isFixed(role.first): lost += 1
            case .free, .limbo, .checkpoint, .continuation, .sealed, .quarantined: continue
            }
        }
        let packed = Packing.mostSegments(
            of: live, records: index.count + records.snapshots.keptCount,
            longest: segments.longestRecord,
            capacity: geometry.segmentUnits)
        return packed + lost + 1 + reserve(for: .records) < segments.count
    }

    /// The longest extent that can be taken in whatever order records are moved for it, in
    /// segments. Compaction lock held.
    func sureSpan() -> Int {
        let geometry = segments.geometry
        var packing = Packing(capacity: geometry.segmentUnits)
        var movable = 0
        var fixed = 0
        var longestRun = 0
        var run = 0
        for segment in segments.all {
            let role = segments.role(segment)
            let extent = role.first
            if isFixed(extent) {
                fixed += 1
                run = 0
                continue
            }
            run += 1
            longestRun = max(longestRun, run)
            guard extent == segment, [.open, .sealed].contains(role.phase),
                liveness.liveUnits(segment) > .zero
            else { continue }
            movable += 1
            if let records = liveRecords(of: segment) {
                packing.add(records.sizes)
            } else {
                packing.addSegment()
            }
        }
        segments.noteLongest(packing.longest)
        knowsLongest = true
        // Moved one by one, extents never take more segments than they had; the heads and the
        // compaction head may each keep one open.
        let packed = min(packing.mostSegments, movable)
        let free = max(segments.freeCount, segments.count - fixed - packed)
        return max(0, min(longestRun, free - reserve(for: .records), LifeWord.maximumSpan))
    }

    /// Whether what lies in an extent stays there: what lives in a longer one than a segment has no
    /// other place to go.
    func isFixed(_ extent: SegmentNumber) -> Bool {
        switch segments.phase(extent) {
        case .quarantined: true
        case .sealed: segments.span(extent) > 1 && liveness.liveUnits(extent) > .zero
        case .free, .open, .limbo, .checkpoint, .continuation: false
        }
    }

    /// What is alive in an extent; nil when it is damaged, or somebody is at it. Compaction lock
    /// held.
    ///
    /// - Complexity: O(1) for a sealed extent in which nothing has died since it was last asked;
    ///   else O(its records).
    func liveRecords(of extent: SegmentNumber) -> LiveRecords? {
        guard segments.phase(extent) == .sealed else {
            return openExtent(extent).map { liveRecords(of: $0.entries, in: extent) }
        }
        if let known = knownRecords(of: extent) { return known }
        let live = liveness.liveUnits(extent)
        summariesRead += 1
        guard let entries = try? log.sealedEntries(extent, seed: index.seed) else { return nil }
        var all = LiveRecords()
        for entry in entries {
            if entry.kind.isFound { all.add(entry.units) } else { all.addTombstone(entry) }
        }
        // Else something is dead, and the index knows what.
        let living = all.sizes.units == live ? all : liveRecords(of: entries, in: extent)
        known.note(living, of: extent, segments.life(extent), live)
        return living
    }

    /// What was found out about an extent, if it still holds.
    func knownRecords(of extent: SegmentNumber) -> LiveRecords? {
        known.records(of: extent, segments.life(extent), liveness.liveUnits(extent))
    }

    private func liveRecords(
        of entries: [SummaryEntry], in extent: SegmentNumber
    ) -> LiveRecords {
        let start = segments.geometry.firstLocation(of: extent)
        var living = LiveRecords()
        for (number, entry) in entries.enumerated() {
            guard entry.kind.isFound else {
                living.addTombstone(entry)
                continue
            }
            if number + Self.lookahead < entries.count {
                index.prefetch(entries[number + Self.lookahead].hash)
            }
            let place = start + entry.offset
            if index.placeSeen(of: entry.hash, holding: place) != nil
                || records.snapshots.holds(entry.hash, at: place)
            {
                living.add(entry.units)
            }
        }
        return living
    }

    private static let lookahead = 8

    private struct OpenExtent {
        let entries: [SummaryEntry]
        let room: ExtentRoom
        let isForTombstones: Bool
    }

    /// What is in an extent that is appended to; nil when somebody is at it. The heads of a store
    /// that was opened read-only have no extents: there it is what the next writer continues.
    private func openExtent(_ extent: SegmentNumber) -> OpenExtent? {
        if let head = log.allHeads.first(where: { $0.lastSeenExtent == extent }) {
            guard let owned = head.tryOwn(), owned.extent == extent else { return nil }
            return OpenExtent(
                entries: owned.withEntries { entries in entries.indices.map { entries[$0] } },
                room: owned.room,
                isForTombstones: owned.isForTombstones || head == log.compactionHead)
        }
        guard gate.isReadOnly, let entries = try? log.sealedEntries(extent, seed: index.seed)
        else { return nil }
        let capacity = continued.contains(extent) ? segments.capacity(extent) : .zero
        let end = entries.last.map { $0.offset + $0.units } ?? .zero
        return OpenExtent(
            entries: entries,
            room: ExtentRoom(capacity: capacity, position: end, entries: entries.count),
            isForTombstones: entries.allSatisfy { !$0.kind.isFound })
    }
}
