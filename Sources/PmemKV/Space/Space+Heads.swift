import CPmem
import Synchronization

/// Getting a place to append to: a shared head, or an extent of one's own for what is longer than
/// a segment.
extension Space {
    /// Returns a head with room for records of this many units and their summary.
    ///
    /// The caller holds no shard. Throws `outOfSpace` when there is no room and none can be made.
    @inline(__always)
    func acquireHead(units: Units, entries: Int, for use: Use) throws(StoreError) -> OwnedHead {
        if units + Summary.units(entries: entries) > segments.geometry.segmentUnits {
            return try acquirePrivateHead(units: units, entries: entries)
        }
        let start = Int(truncatingIfNeeded: cpmem_thread_hint()) & 0xFFFF
        var round = 0
        while true {
            let active = activeHeads
            for offset in 0..<active {
                guard let head = log.head((start &+ offset) % active).tryOwn() else { continue }
                try gate.checkReadable()
                if head.fits(units: units, entries: entries), isOpen(head, for: use) {
                    return head
                }
                return try roll(head, units: units, entries: entries, for: use)
            }
            SpinWait.wait(round: round)
            round += 1
        }
    }

    /// With few free segments all writers share one head, so that the others' open segments do
    /// not keep space from those who need it.
    @inline(__always)
    private var activeHeads: Int {
        hasRoomForAllHeads ? log.headCount : 1
    }

    /// Whether a head's room may be used: what is left of a full pool is for removes.
    @inline(__always)
    private func isOpen(_ head: borrowing OwnedHead, for use: Use) -> Bool {
        use == .tombstones || !head.isForTombstones || !isNearlyFull
    }

    /// Gives a head its next segment, or finds other room.
    @inline(never)
    private func roll(
        _ head: consuming OwnedHead, units: Units, entries: Int, for use: Use
    ) throws(StoreError) -> OwnedHead {
        do throws(StoreError) {
            try renew(head, units: units, for: use)
            return head
        } catch {
            guard error.code == .outOfSpace else { throw error }
            if use == .tombstones,
                try takeCompactionHead(into: head, units: units, entries: entries)
            {
                return head
            }
            let own = head.head
            head.release()
            for other in log.writerHeads where other != own {
                let owned = other.own()
                // The store may have been closed while this owned nothing.
                try gate.checkReadable()
                if owned.fits(units: units, entries: entries), isOpen(owned, for: use) {
                    return owned
                }
            }
            throw error
        }
    }

    /// Gives a head its next segment. When there is none, what is dead in the head's own extent is
    /// made reclaimable.
    private func renew(
        _ head: borrowing OwnedHead, units: Units, for use: Use
    ) throws(StoreError) {
        // Whoever compacts may wait for this, while this waits for whoever compacts.
        if head.firstRelaxed != nil { try log.makeDurable(head) }
        let segment: SegmentNumber
        do throws(StoreError) {
            segment = try allocate(span: 1, units: units, for: use)
        } catch {
            guard error.code == .outOfSpace, let extent = head.extent,
                liveness.hasGarbage(extent), use == .tombstones || !head.isForTombstones
            else { throw error }
            try log.seal(head)
            segment = try allocate(span: 1, units: units, for: use)
        }
        try log.seal(head)
        head.begin(segment, of: segments)
        head.isForTombstones = use == .tombstones && isNearlyFull
    }

    /// The last resort of a remove: the room that compaction has left over.
    private func takeCompactionHead(
        into head: borrowing OwnedHead, units: Units, entries: Int
    ) throws(StoreError) -> Bool {
        compactionLock.lock()
        defer { compactionLock.unlock() }
        let other = log.compactionHead.own()
        guard other.fits(units: units, entries: entries) else { return false }
        try log.seal(head)
        head.takeOver(other)
        head.isForTombstones = true
        return true
    }

    /// An extent for one long record or batch alone; it is sealed as soon as that is durable.
    @inline(never)
    private func acquirePrivateHead(units: Units, entries: Int) throws(StoreError) -> OwnedHead {
        log.privateWriters.add(1, ordering: .sequentiallyConsistent)
        // From here on the head counts the writer out, whatever happens.
        let head = OwnedHead.makePrivate(in: log)
        try gate.checkReadable()
        let total = units + Summary.units(entries: entries)
        let segment = segments.geometry.segmentUnits.count
        let span = (total.count + segment - 1) / segment
        guard span <= min(segments.geometry.segmentCount, LifeWord.maximumSpan) else {
            throw StoreError(.outOfSpace, "\(units.bytes) bytes are more than this pool holds")
        }
        head.begin(try allocate(span: span, units: units, for: .records), of: segments)
        return head
    }
}
