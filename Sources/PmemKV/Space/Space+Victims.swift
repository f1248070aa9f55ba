/// Which extent compaction empties next. Compaction lock held.
extension Space {
    /// Sealed extents, but for those a caller's body looks at, or a copy has yet to read: emptying
    /// them costs room for the copies and gives none back before that ends.
    private var candidates: [SegmentNumber] {
        let pinned = gate.callbacks.pinnedExtents
        return segments.all.filter {
            segments.phase($0) == .sealed && !pinned.contains($0.rawValue) && !isHeldByCopy($0)
        }
    }

    /// Whether callers' bodies keep space from being reclaimed: what they look at is in limbo, or
    /// would be emptied next.
    var isHeldByCallbacks: Bool { isHeld(by: gate.callbacks.pinnedExtents) }

    /// Whether that holds for bodies that look at these extents.
    func isHeld(by pinned: [Int]) -> Bool {
        pinned.contains {
            switch segments.phase(SegmentNumber($0)) {
            case .limbo: true
            case .sealed: liveness.hasGarbage(SegmentNumber($0))
            case .free, .open, .quarantined, .checkpoint, .continuation: false
            }
        }
    }

    /// Greedy by gain, with age as tie-break: the emptiest extent, and where tombstones alone
    /// keep extents full, the one whose garbage keeps most tombstones from being dropped.
    func chooseVictim(
        _ head: borrowing OwnedHead, minimumGain: Units, except tried: Set<SegmentNumber>
    ) -> SegmentNumber? {
        var best: (extent: SegmentNumber, gain: Double)?
        var oldest: (extent: SegmentNumber, dead: SequenceNumber)?
        let room = compactionRoom(head)
        let horizon = liveness.horizon()
        for extent in candidates where !tried.contains(extent) && liveness.keptUnits(extent) <= room
        {
            let gain = liveness.reclaimableUnits(extent, horizon)
            if gain >= minimumGain {
                let worth = Double(gain.count) / Double(segments.capacity(extent).count)
                if best.map({ worth > $0.gain }) ?? true { best = (extent, worth) }
            }
            // Tombstones alone are no reason: copied as they are, they would be a victim again.
            let dead = liveness.lowestDead(in: extent)
            if dead != .none, oldest.map({ dead < $0.dead }) ?? true { oldest = (extent, dead) }
        }
        // When only little is dead anywhere, the oldest of it keeps most tombstones.
        return best?.extent ?? oldest?.extent
    }

    /// An extent that is worth emptying before anybody needs the room: one that gives at least a
    /// small part of itself, tombstones not counted. O(what has changed since the last time).
    func worthyVictim(_ head: borrowing OwnedHead) -> SegmentNumber? {
        let now = log.sequences.upcoming
        segments.changed.drain { place(SegmentNumber($0), at: now) }
        let room = compactionRoom(head)
        let gain = worthyGain
        let pinned = gate.callbacks.pinnedExtents
        return garbage.best(now, step: liveness.garbageStep) { extent in
            let kept = liveness.keptUnits(extent)
            let garbage = segments.capacity(extent) - kept
            guard garbage >= gain, kept <= room, !pinned.contains(extent.rawValue),
                !isHeldByCopy(extent)
            else { return nil }
            return (Double(garbage.count) / Double(segments.capacity(extent).count), kept)
        }
    }

    var worthyGain: Units { Units(segments.geometry.segmentUnits.count / 32) }

    private func place(_ extent: SegmentNumber, at now: SequenceNumber) {
        guard segments.phase(extent) == .sealed, extent != underWay?.extent else { return }
        let live = liveness.liveUnits(extent)
        let capacity = segments.capacity(extent)
        let hasGarbage = liveness.lowestDead(in: extent) != .none
        garbage.place(
            extent, garbage: hasGarbage ? capacity - liveness.keptUnits(extent) : .zero,
            live: live, dead: segments.appendedUnits(extent, .put) - live, capacity: capacity,
            at: now, step: liveness.garbageStep)
    }

    /// Extents whose records leave so many segments free when they are moved together in this
    /// order, the least filled first; none when there are no such.
    ///
    /// - Parameter room: where the first of them go.
    /// - Complexity: O(runs of records of one length); the summaries are read of those extents in
    ///   which something has died since they last were.
    func chooseMergers(
        into room: ExtentRoom, minimumSlack: Units, freeing count: Int = 1
    ) -> [SegmentNumber] {
        let geometry = segments.geometry
        let mergeable = candidates.filter {
            segments.span($0) == 1
                && liveness.keptUnits($0) + minimumSlack <= geometry.segmentUnits
        }
        .sorted { liveness.keptUnits($0) < liveness.keptUnits($1) }
        guard mayLeave(count, mergeable, room) else { return [] }
        let horizon = liveness.horizon()
        var chosen: [SegmentNumber] = []
        var room = room
        var taken = 0
        for extent in mergeable {
            // What is damaged is found out, and put aside, by whoever compacts it.
            guard let records = liveRecords(of: extent) else { continue }
            taken += records.place(in: &room, geometry.segmentUnits) {
                !horizon.letsGo($0, in: extent)
            }
            chosen.append(extent)
            // Each one that is moved takes one segment at most, and leaves one.
            guard chosen.count - taken < count else {
                return taken == 0 || segments.freeCount > 0 ? chosen : []
            }
        }
        return []
    }

    /// Whether that is possible by what is known of their sizes: no summary is read. Once a full
    /// pool has been looked through it says no, until much has died.
    private func mayLeave(
        _ count: Int, _ extents: [SegmentNumber], _ room: ExtentRoom
    ) -> Bool {
        var bytes = 0
        for (number, extent) in extents.enumerated() {
            bytes += knownRecords(of: extent)?.sizes.bytes ?? liveness.liveUnits(extent).bytes
            let taken = Packing.fewestSegments(
                of: bytes, segment: segments.geometry.segmentUnits,
                behind: room.capacity - room.position)
            if number + 1 - taken >= count { return true }
        }
        return false
    }

    /// Extents of which so many segments become free when they are moved behind what is in the
    /// compaction head, or into segments of their own, when it is sealed first; none when there are
    /// no such.
    func extentsToPack(
        _ head: borrowing OwnedHead, freeing count: Int
    ) -> (extents: [SegmentNumber], sealsHead: Bool) {
        let behind = chooseMergers(into: head.room, minimumSlack: Units(1), freeing: count)
        if !behind.isEmpty { return (behind, false) }
        let room = ExtentRoom(capacity: .zero)
        return (chooseMergers(into: room, minimumSlack: Units(1), freeing: count), true)
    }

    /// Makes `span` neighbouring segments free by compacting what lies in the window that holds
    /// least. Returns whether that changed anything.
    func emptyWindow(span: Int) throws(StoreError) -> Bool {
        if try finishVictim() { return true }
        guard let window = cheapestWindow(span: span) else { return false }
        let head = log.compactionHead.own()
        var progressed = false
        for segment in window where segments.phase(segment) == .sealed {
            guard try compact(segment, into: head, outside: window) else { return progressed }
            progressed = true
            try reclaimLimbo()
        }
        return progressed
    }

    /// The window of neighbouring segments with the fewest live units, no part of which is held
    /// by a head, the checkpoint, or a record that is longer than a segment.
    private func cheapestWindow(span: Int) -> Range<SegmentNumber>? {
        let geometry = segments.geometry
        guard span <= segments.count else { return nil }
        var best: (window: Range<SegmentNumber>, kept: Units)?
        let room = (segments.freeCount - 1) * geometry.segmentUnits
        let pinned = gate.callbacks.pinnedExtents.map(SegmentNumber.init)
        for start in segments.all.dropLast(span - 1) {
            let window = start..<(start + span)
            guard !pinned.contains(where: window.contains) else { continue }
            guard let (kept, free) = contents(of: window) else { continue }
            // Copies must not have to go into the window itself.
            guard kept <= room - free * geometry.segmentUnits else { continue }
            if best.map({ kept < $0.kept }) ?? true { best = (window, kept) }
        }
        return best?.window
    }

    /// Units to be copied out of a window, and free segments in it; nil when it cannot be emptied.
    private func contents(of window: Range<SegmentNumber>) -> (kept: Units, free: Int)? {
        var kept = Units.zero
        var free = 0
        for segment in window {
            let role = segments.role(segment)
            if isFixed(role.first) || isHeldByCopy(role.first) { return nil }
            switch role.phase {
            case .free: free += 1
            case .limbo: continue
            case .open, .quarantined, .checkpoint: return nil
            case .continuation: guard window.contains(role.first) else { return nil }
            case .sealed:
                guard segment + role.span <= window.upperBound else { return nil }
                kept += liveness.keptUnits(segment)
            }
        }
        return (kept, free)
    }
}
