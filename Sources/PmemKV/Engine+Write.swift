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
                .invalidArgument,
                """
                the key has \(key.count) bytes; at most \(RecordLayout.maximumKeyLength) are \
                possible
                """)
        }
    }

    /// Writes a value. Durable when this returns, unless relaxed.
    ///
    /// What stands in the index is looked at only after the fence: the loads for it run while the
    /// record is on its way to the medium.
    ///
    /// - Complexity: O(1) plus the bytes; one fence.
    func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, relaxed: Bool
    ) throws(StoreError) {
        try checkKey(key)
        try checkWritable()
        let source = RecordSource(
            tombstone: false, hash: index.hash(key), key: key, value: value)
        index.prefetch(source.hash)
        let units = source.units
        let head = try acquireHead(units: units, entries: 1, tombstones: false)
        let shard = index.lock(of: source.hash)
        shard.lock()
        defer { shard.unlock() }
        index.prefetchSplit(source.hash)
        let location = try appendDurably(source, head, relaxed: relaxed)
        try finish(source, at: location)
    }

    /// Publishes what has become durable.
    @inline(__always)
    func finish(
        _ source: RecordSource, at location: Location
    ) throws(StoreError) {
        do throws(StoreError) {
            try publish(
                source, at: location, replacing: locate(source.key, source.hash))
        } catch {
            // Durable, but the index does not know it: only a new recovery puts that right.
            fail(error)
            throw error
        }
    }

    /// Writes a tombstone if the key is there. Returns whether it was.
    ///
    /// While relaxed records are pending, a key may be absent only until the next crash: then a
    /// durable remove writes its tombstone all the same.
    func remove(_ key: UnsafeRawBufferPointer, relaxed: Bool) throws(StoreError) -> Bool {
        try checkKey(key)
        try checkWritable()
        let hash = index.hash(key)
        let isThere = try withLocation(key, hash, { _ in true }) != nil
        // In this order: whoever made the key absent had marked its head before.
        guard isThere || !relaxed && hasRelaxed else { return false }
        var existed = false
        _ = try write(
            RecordSource(tombstone: true, hash: hash, key: key, value: Self.emptyValue),
            relaxed: relaxed
        ) {
            existed = $0 != nil
            return existed || !relaxed && self.hasRelaxed
        }
        return existed
    }

    /// Whether any head holds relaxed records that are not durable yet.
    var hasRelaxed: Bool { (0..<headCount).contains { (heads + $0).hasRelaxed } }

    /// The location of a key's record, without verifying its value.
    func withLocation<R>(
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash, _ body: (Location) -> R
    ) throws(StoreError) -> R? {
        try epochs.reading { () throws(StoreError) -> R? in
            try checkReadable()
            var doubt: StoreError?
            let result = try index.find(hash) { location throws(StoreError) -> R? in
                try self.withRecord(at: location) { record -> R? in
                    self.isRecord(record, of: key, &doubt) ? body(location) : nil
                }
            }
            if result == nil, let doubt { throw doubt }
            return result
        }
    }

    /// Writes one record if the condition holds for what is there now. Returns whether it did.
    func write(
        _ source: RecordSource, relaxed: Bool, _ condition: (PreviousRecord?) -> Bool
    ) throws(StoreError) -> Bool {
        try checkWritable()
        let units = source.units
        let head = try acquireHead(units: units, entries: 1, tombstones: source.tombstone)
        let shard = index.lock(of: source.hash)
        shard.lock()
        defer { shard.unlock() }
        do throws(StoreError) {
            guard condition(try locate(source.key, source.hash)?.found) else {
                releaseHead(head)
                return false
            }
        } catch {
            releaseHead(head)
            throw error
        }
        let location = try appendDurably(source, head, relaxed: relaxed)
        try finish(source, at: location)
        return true
    }

    /// Finds the record that a write of this key supersedes. Shard locked.
    ///
    /// A record with the same fingerprint that is too damaged to tell its key is passed over:
    /// should it be this key's, the newer record now found beside it is the right one.
    @inline(__always)
    func locate(
        _ key: UnsafeRawBufferPointer, _ hash: KeyHash
    ) throws(StoreError) -> (place: IndexPlace, found: PreviousRecord)? {
        try index.locate(hash) { location throws(StoreError) -> PreviousRecord? in
            try self.withRecord(at: location) { record -> PreviousRecord? in
                guard self.fits(record), record.hasKey(key) else { return nil }
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
            let sequence = try takeSequences(1, owning: head)
            if relaxed {
                head.pointee.relaxedFrom = min(head.pointee.relaxedFrom, head.pointee.position)
            } else {
                flushRelaxed(head)
            }
            let location = append(
                source, sequence: sequence, batchRemaining: 0, to: head, site: .record,
                deferred: relaxed)
            prefetchRecord(source.hash)
            if relaxed {
                releaseHead(head)
                try medium.checkWrites()
            } else {
                try drainAndRelease(head, site: .recordDrain)
            }
            return location
        } catch {
            fail(error)
            throw error
        }
    }

    /// Starts to load the records that a search for this hash will look at.
    @inline(__always)
    func prefetchRecord(_ hash: KeyHash, lines: Int = 1) {
        index.forEachCandidate(hash) { prefetchRecord(at: $0, lines: lines) }
    }

    /// Starts to load the first lines of a record, which may go beyond its end.
    @inline(__always)
    func prefetchRecord(at location: Location, lines: Int = 1) {
        guard let base = medium.base, geometry.segment(of: location) != nil else { return }
        for line in 0..<lines { cpmem_prefetch(base + location.offset + line &* 64) }
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
        head.pointee.noteAllDurable()
        releaseHead(head)
    }

    /// Remembers for the next record of this head that all before `end` is durable: a hint, so it
    /// is not worth waiting for. Waiting would also be a deadlock: this thread holds a shard, and
    /// the head's owner may be waiting for that shard.
    private func noteDurable(_ head: LogHeadPointer, segment: Int, salt: UInt64, end: Int) {
        guard head.spin.tryLock() else { return }
        if head.pointee.segment == segment, head.pointee.salt == salt {
            head.pointee.durableUnits = max(head.pointee.durableUnits, end)
            if head.pointee.position == end { head.pointee.relaxedFrom = .max }
        }
        head.spin.unlock()
    }

    /// Makes a durable record the one that readers find.
    @inline(__always)
    func publish(
        _ source: RecordSource, at location: Location,
        replacing previous: (place: IndexPlace, found: PreviousRecord)?
    ) throws(StoreError) {
        if source.tombstone {
            if let previous {
                index.remove(previous.place, of: source.hash)
                ordered?.remove(source.key)
            }
            index.increment(.removes, source.hash)
        } else {
            if let previous {
                index.replace(previous.place, of: source.hash, by: location)
            } else {
                try index.insert(source.hash, location)
                ordered?.insert(source.key)
            }
            index.increment(.puts, source.hash)
        }
        if let old = previous?.found {
            segments.recordDied(old.location, units: old.units, sequence: old.sequence)
        }
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
                do throws(StoreError) {
                    try makeDurable(head)
                } catch {
                    head.spin.unlock()
                    throw error
                }
                head.spin.unlock()
            }
        }
    }

    /// Makes everything in an owned head durable. The drain stays inside the ownership: nobody
    /// may append behind what it is to cover.
    func makeDurable(_ head: LogHeadPointer) throws(StoreError) {
        flushRelaxed(head)
        try medium.drain(site: .syncDrain)
        head.pointee.noteAllDurable()
    }

    /// Makes the relaxed records of all heads durable before space is reused: what they
    /// superseded may have been the only durable version of its key (I6).
    ///
    /// Waits for owners of heads. An owner that waits for compaction has no relaxed records left
    /// (see `roll`), so the caller may hold the compaction lock and a head of its own.
    func settleRelaxed() throws(StoreError) {
        for number in 0..<headCount {
            let head = heads + number
            var round = 0
            while head.hasRelaxed {
                guard head.spin.tryLock() else {
                    SpinWait.wait(round: round)
                    round += 1
                    continue
                }
                defer { head.spin.unlock() }
                try guarded { () throws(StoreError) in try makeDurable(head) }
            }
        }
    }
}
