/// Writing single records.
extension Engine {
    /// Writes a value. Durable when this returns, unless relaxed.
    ///
    /// What stands in the index is looked at only after the fence: the loads for it run while the
    /// record is on its way to the medium. Returns false, and has written nothing, when the key's
    /// table is no longer what it was.
    ///
    /// - Complexity: O(1) plus the bytes; one fence.
    @discardableResult
    func put(_ key: TableKey, _ value: ByteView, relaxed: Bool) throws(StoreError) -> Bool {
        try check(key.bytes, value)
        try gate.checkWritable()
        let source = RecordSource(kind: .put, hash: records.hash(key), key: key, value: value)
        index.prefetch(source.hash)
        return try write(source, to: key.ref, relaxed: relaxed) != nil
    }

    /// Writes a tombstone if the key is there. Returns whether it was.
    ///
    /// As in a put, what stands in the index is looked at only after the fence; before, it is asked
    /// whether there is anything with the key's fingerprint. So of some ten million removals of
    /// absent keys one writes a tombstone that nobody needs.
    func remove(_ key: TableKey, relaxed: Bool) throws(StoreError) -> Bool {
        try check(key.bytes)
        try gate.checkWritable()
        let source = RecordSource.tombstone(key, records.hash(key))
        let mayBeThere = try index.mayHold(source.hash)
        guard leavesTombstone(of: mayBeThere, promised: !relaxed) else { return false }
        if try write(source, to: key.ref, relaxed: relaxed) == true { return true }
        // "No such key" is an answer of its own, which damage may forbid. What is there by now came
        // after the removal.
        _ = try records.contains(key, source.hash)
        return false
    }

    /// Whether a removal leaves a record behind: that of a key that is there does. One of an absent
    /// key does when its absence is promised, and relaxed records are pending that a crash could
    /// take back. A batch promises it even when it is relaxed: it survives whole or not at all.
    ///
    /// To be asked after the key was looked for: whoever made it absent had marked its head before.
    func leavesTombstone(of isThere: Bool, promised: Bool) -> Bool {
        isThere || promised && log.hasRelaxed
    }

    /// Writes one record, whatever is there now. Returns whether the key was there; nil, and writes
    /// nothing, when its table is no longer what it was.
    @inline(__always)
    private func write(
        _ source: RecordSource, to table: TableRef, relaxed: Bool
    ) throws(StoreError) -> Bool? {
        let shard = index.lock(of: source.hash)
        let head = try own(shard, space.acquireHead(for: source), for: source)
        defer { shard.unlock() }
        if table.hasLife, !tables.isCurrent(table) {
            if head.isSpanning { try log.giveBackSpares(head) }
            return nil
        }
        if source.kind.isFound { index.prefetchSplit(source.hash) }
        if let ordered, !head.isSpanning, changesLeaf(source),
            let tree = ordered.tree(of: source.table)
        {
            return try write(source, to: head, relaxed: relaxed, in: tree)
        }
        let written = try append(source, to: head, relaxed: relaxed)
        return try publish(source, at: written)
    }

    /// Whether a write will most likely change a leaf of the ordered index, and its drain is so
    /// short that the leaf's coming from memory counts. Shard locked.
    @inline(__always)
    private func changesLeaf(_ source: RecordSource) -> Bool {
        !log.medium.drainCoversAllThreads
            && (!source.kind.isFound || !index.seemsToHold(source.hash))
    }

    /// The same while the leaf comes from memory. A function of its own, so that the hash index
    /// alone pays nothing for it.
    @inline(never)
    private func write(
        _ source: RecordSource, to head: consuming OwnedHead, relaxed: Bool,
        in tree: OrderedIndex
    ) throws(StoreError) -> Bool {
        let seat = tree.seat(of: source.bytes)
        defer { tree.leave(seat) }
        let written = try append(source, to: head, relaxed: relaxed)
        return try publish(source, at: written, seat)
    }

    /// Writes one record if what is there now has this number, or nothing is there. Returns whether
    /// it was so, and the table what it was.
    private func write(
        _ source: RecordSource, to table: TableRef, relaxed: Bool,
        ifNewestIs seen: SequenceNumber?
    ) throws(StoreError) -> Bool {
        try gate.checkWritable()
        let shard = index.lock(of: source.hash)
        let head = try own(shard, space.acquireHead(for: source), for: source)
        defer { shard.unlock() }
        let found = try givingBack(head) { () throws(StoreError) in
            try records.locate(source.key, source.hash)
        }
        let current = found.flatMap { records.isStale($0, in: source.table) ? nil : $0 }
        guard current?.sequence == seen, tables.isCurrent(table) else {
            if head.isSpanning { try log.giveBackSpares(head) }
            return false
        }
        try publish(source, at: try append(source, to: head, relaxed: relaxed), over: found)
        return true
    }

    /// What a head has taken for its write is given back when nothing is written because of a
    /// failure.
    @inline(__always)
    func givingBack<R>(
        _ head: borrowing OwnedHead, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        do throws(StoreError) {
            return try body()
        } catch {
            if head.isSpanning { try log.giveBackSpares(head) }
            throw error
        }
    }

    /// One optimistic try: reads, asks, and writes if the record is still the same one.
    ///
    /// The sequence number tells whether it is: compaction moves a record and keeps its number.
    func tryUpdate(
        _ key: TableKey, _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError) -> Bool {
        try check(key.bytes)
        try gate.checkWritable()
        let hash = records.hash(key)
        var seen: SequenceNumber?
        let update = try decide(key, hash, &seen, transform)
        switch update {
        case .keep: return true
        case .remove:
            guard leavesTombstone(of: seen != nil, promised: true) else { return true }
            return try write(
                .tombstone(key, hash), to: key.ref, relaxed: false, ifNewestIs: seen)
        case .set(let value):
            return try value.withByteView { value throws(StoreError) in
                try self.check(key.bytes, value)
                let source = RecordSource(kind: .put, hash: hash, key: key, value: value)
                return try self.write(source, to: key.ref, relaxed: false, ifNewestIs: seen)
            }
        }
    }

    /// Whether a transform that sees nothing wants something to be there.
    func wantsValue(
        _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError) -> Bool {
        try gate.checkWritable()
        let frame = gate.callbacks.enter(.transform)
        let update = try transform(nil)
        _ = consume frame
        if case .set = update { return true }
        return false
    }

    /// Lets a transform see what is there.
    private func decide(
        _ key: TableKey, _ hash: KeyHash, _ seen: inout SequenceNumber?,
        _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError) -> ValueUpdate {
        let frame = gate.callbacks.enter(.transform)
        var sequence: SequenceNumber?
        let update = try records.lend(key, hash, in: frame) { found throws(StoreError) in
            sequence = found.sequence
            return try found.value.withSpan { value throws(StoreError) in try transform(value) }
        }
        seen = sequence
        if let update { return update }
        return try transform(nil)
    }

    /// Locks a shard behind a head.
    @inline(__always)
    private func own(
        _ shard: SpinLock, _ head: consuming OwnedHead, for source: RecordSource
    ) throws(StoreError) -> OwnedHead {
        SchedulingPoint.pass()
        if shard.tryLock() { return head }
        return try wait(for: shard, head, for: source)
    }

    /// Where writers share their drains, whoever has the shard may wait for one, and lets others
    /// have the head meanwhile. So does this: they could not join that drain otherwise, nor the
    /// next.
    @inline(never)
    private func wait(
        for shard: SpinLock, _ head: consuming OwnedHead, for source: RecordSource
    ) throws(StoreError) -> OwnedHead {
        var head = head
        guard log.medium.drainCoversAllThreads, !head.isSpanning else {
            shard.lock()
            return head
        }
        repeat {
            head.release()
            log.medium.awaitDrain()
            head = try space.acquireHead(for: source, again: true)
            if head.isSpanning {
                shard.lock()
                return head
            }
        } while !shard.tryLock()
        return head
    }

    /// Appends a record and makes it durable, unless relaxed; gives the head back. Shard locked.
    @inline(__always)
    func append(
        _ source: RecordSource, to head: consuming OwnedHead, relaxed: Bool
    ) throws(StoreError) -> Written {
        let sequence = try sequences.take(1)
        let relaxed = relaxed && !head.isSpanning
        log.beginWrite(to: head, relaxed: relaxed)
        let location = log.append(source, sequence: sequence, to: head, deferred: relaxed)
        // By now the bucket has come; what it leads to comes while the record is on its way to the
        // medium. Not before: stores leave the processor in order, behind the loads before them.
        records.prefetchRecord(source.hash)
        try log.finishWrite(head, relaxed: relaxed)
        return Written(location: location, sequence: sequence)
    }

    /// Where a record was written, and its number.
    struct Written {
        let location: Location
        let sequence: SequenceNumber
    }

    /// Makes a durable record the one that readers find. Returns whether the key was there. Shard
    /// locked.
    ///
    /// A failure leaves a durable record that the index does not know: only a new recovery puts
    /// that right.
    @inline(__always) @discardableResult
    func publish(
        _ source: RecordSource, at written: Written, _ seat: OrderedIndex.Seat? = nil
    ) throws(StoreError) -> Bool {
        try gate.failing { () throws(StoreError) in
            let previous = try records.locate(source.key, source.hash)
            return try replace(previous, by: source, at: written, seat)
        }
    }

    /// The same where it is known what the index has for the key.
    @inline(__always)
    private func publish(
        _ source: RecordSource, at written: Written, over previous: RecordIndex.Found?
    ) throws(StoreError) {
        _ = try gate.failing { () throws(StoreError) in
            try replace(previous, by: source, at: written)
        }
    }

    /// Lets the index name a record in the place of what it has for the key. Returns whether that
    /// was a key of the table as it is.
    @inline(__always)
    private func replace(
        _ previous: RecordIndex.Found?, by source: RecordSource, at written: Written,
        _ seat: OrderedIndex.Seat? = nil
    ) throws(StoreError) -> Bool {
        var wasThere = false
        // Before the index: whoever then finds the record dead may free its extent at once, and all
        // counts of that have to have been made.
        if let previous {
            let isKept =
                previous.sequence < snapshots.newest
                && space.keep(previous, of: source, until: written.sequence)
            if !isKept { liveness.noteDead(previous.location, previous.units, previous.sequence) }
            wasThere = !records.isStale(previous, in: source.table)
            if !wasThere { tables.noteStaleGone() }
        }
        let location = written.location
        switch source.kind {
        case .put:
            if let previous {
                ordered?.trusted.take(back: previous.location)
                index.replace(previous.place, of: source.hash, by: location)
            } else {
                // What a reader has found a scan finds as well: a new key comes into the tree
                // first and a removed one leaves it last. A scan passes over keys of the tree
                // that the hash index does not hold.
                ordered?.tree(of: source.table)?.insert(
                    source.bytes, at: location, seat, mayHaveSlot: snapshots.keptCount > 0)
                try index.insert(source.hash, location)
                ordered?.trusted.insert(location)
            }
            if !wasThere, source.isExtended { tables.noteKey(of: source.table, isNew: true) }
            index.increment(.puts, source.hash)
        case .tombstone:
            if let previous {
                leaveIndexes(previous, source, seat)
                if wasThere, source.isExtended { tables.noteKey(of: source.table, isNew: false) }
            }
            index.increment(.removes, source.hash)
        }
        return wasThere
    }

    /// Takes a key out of the indexes. Its record was counted as dead, or is kept. Shard locked.
    @inline(__always)
    func leaveIndexes(
        _ found: RecordIndex.Found, _ source: RecordSource, _ seat: OrderedIndex.Seat? = nil
    ) {
        ordered?.trusted.take(back: found.location)
        index.remove(found.place, of: source.hash)
        // A scan of a snapshot finds what that sees of the key by the slot.
        if let ordered, !space.keepsAny(of: source) {
            ordered.tree(of: source.table)?.remove(source.bytes, at: found.location, seat)
        }
    }
}
