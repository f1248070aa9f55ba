/// What snapshots keep: records that the index no longer names count as alive while one sees them.
///
/// Invariants (numbers from docs/crash-model.md):
/// - A kept record is not counted as dead, so that whoever asks how much of an extent has to be
///   copied is told of it. But it is a superseded put, which would come back without its tombstone:
///   for that it counts as soon as it is kept, and where its copy lies (I8).
/// - The slot of a removed key stays in the ordered index for as long as a record of it is kept.
extension Space {
    /// Keeps the record that one with this number supersedes, for the snapshots that see it. False
    /// when none does. Shard locked; before the index lets go of it.
    @inline(never)
    func keep(
        _ record: RecordIndex.Found, of source: RecordSource, until end: SequenceNumber
    ) -> Bool {
        let snapshots = records.snapshots
        // What the table was cleared of ended then.
        let floor = records.tables.floor(source.table)
        let end = record.sequence < floor ? floor : end
        guard snapshots.claim(record.sequence, until: end, source.key) else { return false }
        liveness.noteKept(record.location, record.sequence)
        snapshots.keep(
            Version(
                hash: source.hash, location: record.location, units: record.units,
                sequence: record.sequence, end: end))
        return true
    }

    /// Lets a kept record stand where its copy is. False when it is not kept. Shard locked.
    func moveKept(_ entry: SummaryEntry, from old: Location, to new: Location) -> Bool {
        guard records.snapshots.move(entry.hash, from: old, to: new) else { return false }
        liveness.noteKept(new, entry.number)
        return true
    }

    /// Ends a snapshot and lets go of what only that one saw. O(shards + records that are kept)
    /// when any are kept for it, else O(1).
    func end(_ snapshot: LivingSnapshot) {
        guard !gate.isForked, records.snapshots.end(snapshot, forRoom: false) else { return }
        endingLock.withLock {
            if letGoOfUnseen(whileOpen: true) { askCompactor() }
        }
    }

    /// Lets go of all that no snapshot sees. The ending lock is held, so that whoever finds the
    /// pool full sees what others' ends have given.
    ///
    /// - Parameter whileOpen: not when the store has been closed, whose closer waits for the lock
    ///   of a shard and no longer. Returns false then.
    private func letGoOfUnseen(whileOpen: Bool) -> Bool {
        for shard in index.shards {
            var next: Int? = 0
            while let start = next {
                let lock = index.lock(ofShard: shard)
                lock.lock()
                defer { lock.unlock() }
                if whileOpen, gate.isClosed || gate.isForked { return false }
                let unseen = records.snapshots.unseen(inShard: shard, from: start)
                letGo(unseen.found)
                next = unseen.next
            }
        }
        return true
    }

    /// Lets go of what one snapshot sees of a key that it needs no more, unless another one sees it
    /// or somebody is at the key.
    func letGo(_ key: TableKey, _ hash: KeyHash, seenBy snapshot: LivingSnapshot) {
        guard records.snapshots.keptCount > 0, !gate.isForked else { return }
        let lock = index.lock(of: hash)
        // Not waited for: the owner may be waiting for a medium.
        guard lock.tryLock() else { return }
        letGo(
            records.snapshots.versions(of: hash, seenOnlyBy: snapshot).filter {
                isRecord($0, of: key)
            })
        lock.unlock()
    }

    /// Counts records as dead that no snapshot sees any more. Shard locked.
    ///
    /// They are taken out behind that: whoever does not find them there may free their extent.
    private func letGo(_ versions: [Version]) {
        for version in versions {
            if let ordered { leaveSlot(of: version, in: ordered) }
            liveness.noteDead(version.location, version.units, version.sequence)
            records.snapshots.remove(version)
        }
    }

    /// Takes the slot of a removed key out of the ordered index with the last record of it. Not
    /// where a damaged record may be the key's.
    private func leaveSlot(of version: Version, in ordered: OrderedTrees) {
        _ = try? log.withRecord(at: version.location) { record -> Void? in
            guard record.knowsKey, let tree = ordered.tree(of: record.table) else { return nil }
            let key = record.tableKey
            let isThere = (try? records.contains(key, version.hash)) ?? true
            let isLast = newestKept(of: key, version.hash, except: version.location) == nil
            if !isThere, isLast { tree.remove(key.bytes, at: version.location) }
            return nil
        }
    }

    /// Whether a kept record is one of this key, or may be.
    private func isRecord(_ version: Version, of key: TableKey) -> Bool {
        let isOfKey = try? log.withRecord(at: version.location) { $0.hasKey(key) || !$0.knowsKey }
        return isOfKey ?? nil ?? true
    }

    /// Whether any record of a key is kept. Shard locked.
    @inline(__always)
    func keepsAny(of source: RecordSource) -> Bool {
        records.snapshots.keptCount > 0 && newestKept(of: source.key, source.hash) != nil
    }

    /// The newest record of a key that is kept, but for one. Shard locked.
    func newestKept(
        of key: TableKey, _ hash: KeyHash, except location: Location? = nil
    ) -> Version? {
        let ofKey = records.snapshots.versions(of: hash).filter {
            $0.location != location && isRecord($0, of: key)
        }
        return ofKey.max { $0.sequence < $1.sequence }
    }

    /// Ends the oldest snapshot for which anything is kept, where that may make room for so many
    /// units. Whether there is reason to try again. No shard is held.
    ///
    /// - Parameter ended: how many records had ceased to be kept when room was looked for: one
    ///   snapshot after the other ends, however many writers find the pool full.
    func endOldestSnapshot(for units: Units, _ use: Use, since ended: Int) -> Bool {
        let snapshots = records.snapshots
        guard snapshots.keptCount > 0 || snapshots.endedCount != ended else { return false }
        endingLock.lock()
        defer { endingLock.unlock() }
        // Somebody may have ended one, and not have let go of anything yet.
        guard letGoOfUnseen(whileOpen: true) else { return false }
        if snapshots.endedCount != ended { return true }
        guard mightFit(units, use), let oldest = snapshots.oldestKeeping else { return false }
        _ = snapshots.end(oldest, forRoom: true)
        return letGoOfUnseen(whileOpen: true)
    }

    /// Whether there might be room for so much if nothing were kept, going by sums. O(segments).
    private func mightFit(_ units: Units, _ use: Use) -> Bool {
        let geometry = segments.geometry
        var live = Units.zero
        var lost = 0
        for segment in segments.all {
            switch segments.phase(segment) {
            case .quarantined: lost += 1
            case .open, .sealed: live += liveness.liveUnits(segment)
            case .free, .limbo, .checkpoint, .continuation: continue
            }
        }
        let needed = live - records.snapshots.keptUnits + units
        let segmentUnits = geometry.segmentUnits.count
        return needed.count / segmentUnits + reserve(for: use) + lost <= segments.count
    }

    /// Ends all of them: nothing that is kept outlives the store. For whoever closes it.
    func endAllSnapshots() {
        for snapshot in records.snapshots.all {
            _ = records.snapshots.end(snapshot, forRoom: false)
        }
        endingLock.withLock { _ = letGoOfUnseen(whileOpen: false) }
    }
}
