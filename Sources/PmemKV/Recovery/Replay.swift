import CPmem

/// Applying one record of the log to the index.
extension Engine {
    /// What an item of the index stands for, its record's own word or, when that is damaged, the
    /// word of its extent's summary.
    private struct Known {
        let hash: KeyHash
        let sequence: UInt64
        let units: Int
        let isTombstone: Bool
        let isIntact: Bool
    }

    /// Lets a record take part: it enters the index if it is newer than what stands there for
    /// its key. Safe from several threads.
    func replay(_ entry: cpmem_summary_entry, at location: Location) throws(StoreError) {
        let lock = index.lock(of: entry.hash)
        lock.lock()
        defer { lock.unlock() }
        let previous = try index.locate(entry.hash) {
            old throws(StoreError) -> (Location, Known)? in
            let known = try self.known(old)
            guard known.hash == entry.hash else { return nil }
            if known.isIntact {
                guard try self.haveSameKey(old, location) else { return nil }
            }
            return (old, known)
        }
        guard let (place, (old, known)) = previous else {
            try index.insert(entry.hash, location)
            return count(entry, at: location, isNewest: true)
        }
        guard
            entry.sequence > known.sequence
                || entry.sequence == known.sequence && isUnfinishedCopy(old, of: location)
        else {
            return count(entry, at: location, isNewest: false)
        }
        index.replace(place, of: entry.hash, by: location)
        count(entry, at: location, isNewest: true)
        if !known.isTombstone {
            segments.recordDied(old, units: known.units, sequence: known.sequence)
        }
    }

    /// Of a record and its copy (I7) the one in a sealed extent counts, so that the extent of a
    /// compaction that a crash cut short can be given back.
    private func isUnfinishedCopy(_ copy: Location, of original: Location) -> Bool {
        segments.states[segments.first(of: copy)].phase == .open
            && segments.states[segments.first(of: original)].phase == .sealed
    }

    private func count(_ entry: cpmem_summary_entry, at location: Location, isNewest: Bool) {
        segments.recordAppended(
            segments.first(of: location), units: entry.units, tombstone: entry.isTombstone)
        if !isNewest && !entry.isTombstone {
            segments.recordDied(location, units: entry.units, sequence: entry.sequence)
        }
    }

    private func known(_ location: Location) throws(StoreError) -> Known {
        let own = try withRecord(at: location) { record -> Known? in
            guard self.fits(record), record.verifyHeader(salt: self.salt(of: record)) else {
                return nil
            }
            return Known(
                hash: self.index.hash(record.key), sequence: record.sequence,
                units: record.units, isTombstone: record.isTombstone, isIntact: true)
        }
        if let own { return own }
        let segment = segments.first(of: location)
        let offset = location.units - geometry.firstLocation(ofSegment: segment).units
        let entries = try ExtentReader(self).sealed(
            segment, endUnits: Int(segments.states[segment].endUnits)
        ).entries
        guard let entry = entries.first(where: { UInt64($0.offset_units) == offset }) else {
            throw ExtentReader(self).damage(segment, Int(offset))
        }
        return Known(
            hash: entry.hash, sequence: entry.sequence, units: entry.units,
            isTombstone: entry.isTombstone, isIntact: false)
    }

    /// Two records with the same 64-bit hash: whether their keys are the same. A damaged one is
    /// taken at its hash's word.
    private func haveSameKey(_ old: Location, _ new: Location) throws(StoreError) -> Bool {
        let same = try withRecord(at: old) { first throws(StoreError) -> Bool? in
            try self.withRecord(at: new) { second -> Bool? in
                guard self.fits(second), second.verifyHeader(salt: self.salt(of: second)) else {
                    return true
                }
                return second.hasKey(first.key)
            }
        }
        return same ?? true
    }
}
