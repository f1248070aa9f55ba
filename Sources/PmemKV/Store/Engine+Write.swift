/// Writing single records.
extension Engine {
    /// Writes a value. Durable when this returns, unless relaxed.
    ///
    /// What stands in the index is looked at only after the fence: the loads for it run while the
    /// record is on its way to the medium.
    ///
    /// - Complexity: O(1) plus the bytes; one fence.
    func put(_ key: ByteView, _ value: ByteView, relaxed: Bool) throws(StoreError) {
        try check(key, value)
        try gate.checkWritable()
        let source = RecordSource(kind: .put, hash: records.hash(key), key: key, value: value)
        index.prefetch(source.hash)
        let head = try space.acquireHead(for: source)
        let shard = index.lock(of: source.hash)
        shard.lock()
        defer { shard.unlock() }
        index.prefetchSplit(source.hash)
        try publish(source, at: try append(source, to: head, relaxed: relaxed))
    }

    /// Writes a tombstone if the key is there. Returns whether it was.
    func remove(_ key: ByteView, relaxed: Bool) throws(StoreError) -> Bool {
        try check(key)
        try gate.checkWritable()
        let hash = records.hash(key)
        let isThere = try records.contains(key, hash)
        guard leavesTombstone(of: isThere, promised: !relaxed) else { return false }
        var existed = false
        _ = try write(.tombstone(key, hash), relaxed: relaxed) {
            existed = $0 != nil
            return self.leavesTombstone(of: existed, promised: !relaxed)
        }
        return existed
    }

    /// Whether a removal leaves a record behind: that of a key that is there does. One of an absent
    /// key does when its absence is promised, and relaxed records are pending that a crash could
    /// take back. A batch promises it even when it is relaxed: it survives whole or not at all.
    ///
    /// To be asked after the key was looked for: whoever made it absent had marked its head before.
    func leavesTombstone(of isThere: Bool, promised: Bool) -> Bool {
        isThere || promised && log.hasRelaxed
    }

    /// Writes one record if the condition holds for what is there now. Returns whether it did.
    func write(
        _ source: RecordSource, relaxed: Bool, _ condition: (RecordIndex.Found?) -> Bool
    ) throws(StoreError) -> Bool {
        try gate.checkWritable()
        let head = try space.acquireHead(for: source)
        let shard = index.lock(of: source.hash)
        shard.lock()
        defer { shard.unlock() }
        guard condition(try records.locate(source.key, source.hash)) else {
            if head.isSpanning { try log.giveBackSpares(head) }
            return false
        }
        try publish(source, at: try append(source, to: head, relaxed: relaxed))
        return true
    }

    /// One optimistic try: reads, asks, and writes if the record is still the same one.
    ///
    /// The sequence number tells whether it is: compaction moves a record and keeps its number.
    func tryUpdate(
        _ key: ByteView, _ transform: (RawSpan?) -> ValueUpdate
    ) throws(StoreError) -> Bool {
        try check(key)
        try gate.checkWritable()
        let hash = records.hash(key)
        var seen: SequenceNumber?
        let update = try decide(key, hash, &seen, transform)
        switch update {
        case .keep: return true
        case .remove:
            guard leavesTombstone(of: seen != nil, promised: true) else { return true }
            return try write(.tombstone(key, hash), relaxed: false) { $0?.sequence == seen }
        case .set(let value):
            return try value.withByteView { value throws(StoreError) in
                try self.check(key, value)
                let source = RecordSource(kind: .put, hash: hash, key: key, value: value)
                return try self.write(source, relaxed: false) { $0?.sequence == seen }
            }
        }
    }

    /// Lets a transform see what is there.
    private func decide(
        _ key: ByteView, _ hash: KeyHash, _ seen: inout SequenceNumber?,
        _ transform: (RawSpan?) -> ValueUpdate
    ) throws(StoreError) -> ValueUpdate {
        let frame = gate.callbacks.enter(.transform)
        var sequence: SequenceNumber?
        let update = try records.lend(key, hash, in: frame) { found in
            sequence = found.sequence
            return found.value.withSpan { transform($0) }
        }
        seen = sequence
        return update ?? transform(nil)
    }

    /// Appends a record and makes it durable, unless relaxed; gives the head back. Shard locked.
    @inline(__always)
    private func append(
        _ source: RecordSource, to head: consuming OwnedHead, relaxed: Bool
    ) throws(StoreError) -> Location {
        let sequence = try log.sequences.take(1)
        let relaxed = relaxed && !head.isSpanning
        log.beginWrite(to: head, relaxed: relaxed)
        let location = log.append(source, sequence: sequence, to: head, deferred: relaxed)
        records.prefetchRecord(source.hash)
        try log.finishWrite(head, relaxed: relaxed)
        return location
    }

    /// Makes a durable record the one that readers find. Shard locked.
    @inline(__always)
    func publish(_ source: RecordSource, at location: Location) throws(StoreError) {
        // A failure leaves a durable record that the index does not know: only a new recovery
        // puts that right.
        try gate.failing { () throws(StoreError) in
            let previous = try records.locate(source.key, source.hash)
            switch source.kind {
            case .put:
                if let previous {
                    ordered?.distrust(previous.location)
                    index.replace(previous.place, of: source.hash, by: location)
                } else {
                    // What a reader has found a scan finds as well: a new key comes into the tree
                    // first and a removed one leaves it last. A scan passes over keys of the tree
                    // that the hash index does not hold.
                    ordered?.insert(source.key, at: location)
                    try index.insert(source.hash, location)
                    ordered?.trust(location)
                }
                index.increment(.puts, source.hash)
            case .tombstone:
                if let previous {
                    ordered?.distrust(previous.location)
                    index.remove(previous.place, of: source.hash)
                    ordered?.remove(source.key, at: previous.location)
                }
                index.increment(.removes, source.hash)
            }
            if let previous {
                liveness.noteDead(previous.location, previous.units, previous.sequence)
            }
        }
    }
}
