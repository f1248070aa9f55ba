import CPmem

/// What the index had for a key before a write.
struct PreviousRecord {
    let location: Location
    let units: Int
    let sequence: UInt64
}

extension Engine {
    static var emptyValue: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    func checkKey(_ key: UnsafeRawBufferPointer) throws(StoreError) {
        guard key.count > 0 else {
            throw StoreError(.invalidArgument, "a key has at least one byte")
        }
        guard key.count <= RecordLayout.maximumKeyLength else {
            throw StoreError(
                .invalidArgument, """
                    the key has \(key.count) bytes; at most \(RecordLayout.maximumKeyLength) are \
                    possible
                    """)
        }
    }

    /// Writes a value. Durable when this returns, unless relaxed.
    ///
    /// - Complexity: O(1) plus the bytes; one fence.
    func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, relaxed: Bool
    ) throws(StoreError) {
        try checkKey(key)
        _ = try write(
            RecordSource(tombstone: false, hash: index.hash(key), key: key, value: value),
            relaxed: relaxed
        ) { _ in true }
    }

    /// Writes a tombstone if the key is there. Returns whether it was.
    func remove(_ key: UnsafeRawBufferPointer, relaxed: Bool) throws(StoreError) -> Bool {
        try checkKey(key)
        try checkWritable()
        let hash = index.hash(key)
        guard try withLocation(key, hash, { _ in true }) != nil else { return false }
        return try write(
            RecordSource(tombstone: true, hash: hash, key: key, value: Self.emptyValue),
            relaxed: relaxed
        ) { $0 != nil }
    }

    /// The location of a key's record, without verifying its value.
    func withLocation<R>(
        _ key: UnsafeRawBufferPointer, _ hash: UInt64, _ body: (Location) -> R
    ) throws(StoreError) -> R? {
        let ticket = epochs.enter()
        defer { epochs.leave(ticket) }
        try checkReadable()
        return try index.find(hash) { location throws(StoreError) -> R? in
            try self.withRecord(at: location) { record throws(StoreError) -> R? in
                try self.isRecord(record, of: key) ? body(location) : nil
            }
        }
    }

    /// Writes one record if the condition holds for what is there now. Returns whether it did.
    @inline(__always)
    func write(
        _ source: RecordSource, relaxed: Bool, _ condition: (PreviousRecord?) -> Bool
    ) throws(StoreError) -> Bool {
        try checkWritable()
        index.prefetch(source.hash)
        let units = source.units
        let head = try acquireHead(units: units, entries: 1, tombstones: source.tombstone)
        let shard = index.lock(source.hash)
        shard.lock()
        let previous: (slot: UnsafeMutableRawPointer, found: PreviousRecord)?
        do throws(StoreError) {
            previous = try locate(source.key, source.hash)
            guard condition(previous?.found) else {
                shard.unlock()
                releaseHead(head)
                return false
            }
        } catch {
            shard.unlock()
            releaseHead(head)
            throw error
        }
        defer { shard.unlock() }
        let location = try appendDurably(source, head, relaxed: relaxed)
        try publish(source, units: units, at: location, replacing: previous)
        return true
    }

    /// Finds the record that a write of this key supersedes. Shard locked.
    @inline(__always)
    func locate(
        _ key: UnsafeRawBufferPointer, _ hash: UInt64
    ) throws(StoreError) -> (slot: UnsafeMutableRawPointer, found: PreviousRecord)? {
        try index.locate(hash) { location throws(StoreError) -> PreviousRecord? in
            try self.withRecord(at: location) { record throws(StoreError) -> PreviousRecord? in
                guard try self.isRecord(record, of: key) else { return nil }
                return PreviousRecord(
                    location: location, units: record.units, sequence: record.sequence)
            }
        }
    }

    /// Appends and makes durable; gives the head back in every case.
    @inline(__always)
    private func appendDurably(
        _ source: RecordSource, _ head: LogHeadPointer, relaxed: Bool
    ) throws(StoreError) -> Location {
        do throws(StoreError) {
            let sequence = try takeSequences(1)
            if relaxed {
                head.pointee.relaxedFrom = min(head.pointee.relaxedFrom, head.pointee.position)
            } else {
                flushRelaxed(head)
            }
            let location = append(
                source, sequence: sequence, batchRemaining: 0, to: head, site: .record,
                deferred: relaxed)
            if relaxed {
                releaseHead(head)
            } else {
                try drainAndRelease(head, site: .recordDrain)
            }
            return location
        } catch {
            fail(error)
            throw error
        }
    }

    /// Drains, then gives the head to the next writer; the other way round where one drain
    /// covers all threads, so that many writers share it.
    @inline(__always)
    func drainAndRelease(_ head: LogHeadPointer, site: PersistSite) throws(StoreError) {
        if medium.drainCoversAllThreads && isShared(head) {
            let segment = head.pointee.segment
            let salt = head.pointee.salt
            let end = head.pointee.position
            releaseHead(head)
            try medium.drain(site: site)
            noteDurable(head, segment: segment, salt: salt, end: end)
            return
        }
        do throws(StoreError) {
            try medium.drain(site: site)
        } catch {
            releaseHead(head)
            throw error
        }
        head.pointee.durableUnits = head.pointee.position
        releaseHead(head)
    }

    /// Remembers for the next record of this head that all before `end` is durable: a hint, so it
    /// is not worth waiting for. Waiting would also be a deadlock: this thread holds a shard, and
    /// the head's owner may be waiting for that shard.
    private func noteDurable(_ head: LogHeadPointer, segment: Int, salt: UInt64, end: Int) {
        guard head.spin.tryLock() else { return }
        if head.pointee.segment == segment, head.pointee.salt == salt {
            head.pointee.durableUnits = max(head.pointee.durableUnits, end)
        }
        head.spin.unlock()
    }

    /// Makes a durable record the one that readers find.
    @inline(__always)
    func publish(
        _ source: RecordSource, units: Int, at location: Location,
        replacing previous: (slot: UnsafeMutableRawPointer, found: PreviousRecord)?
    ) throws(StoreError) {
        if source.tombstone {
            segments.tombstoneLives(location, units: units)
            if let previous { index.remove(previous.slot, source.hash) }
            add(1, to: .removeCount)
        } else {
            segments.recordLives(location, units: units)
            if let previous {
                index.replace(previous.slot, source.hash, location)
            } else {
                try index.insert(source.hash, location)
            }
            add(1, to: .putCount)
        }
        if let old = previous?.found {
            segments.recordDied(old.location, units: old.units, sequence: old.sequence)
        }
        add(1, to: .recordsSinceCheckpoint)
    }

    /// Makes all earlier relaxed writes durable.
    func sync() throws(StoreError) {
        try checkWritable()
        try guarded { () throws(StoreError) in
            for number in 0..<headCount {
                let head = heads + number
                head.spin.lock()
                guard self[.closed] == 0 else {
                    head.spin.unlock()
                    return
                }
                flushRelaxed(head)
                // The drain stays inside: nobody may append behind what it is to cover.
                do throws(StoreError) {
                    try medium.drain(site: .syncDrain)
                } catch {
                    head.spin.unlock()
                    throw error
                }
                head.pointee.durableUnits = head.pointee.position
                head.spin.unlock()
            }
        }
    }
}
