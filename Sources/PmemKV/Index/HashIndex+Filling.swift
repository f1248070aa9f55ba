/// Filling an index that nobody else uses yet, with several threads at once.
///
/// Invariants:
/// - Each thread adds the items of some parts of the index (``IndexShape/part(of:bits:)``), so that
///   no two of them come to the same bucket. Overflow buckets are taken under the shard's lock.
/// - Nothing is split meanwhile: the shards' words, and so the parts, stay as they are. What was
///   added is counted, and what is overfull split, when all threads are done.
extension HashIndex {
    /// The bits by which parts can be told apart.
    var partBits: Int { shards.lazy.map { self.shape.partBits(self.word(of: $0)) }.min() ?? 0 }

    /// Adds an item, uncounted, where it is seen at once that its key is not there and where there
    /// is room. False when it takes a longer look.
    @inline(__always)
    func fillQuickly(_ hash: KeyHash, _ location: Location) -> Bool {
        let bucket = likelyBucket(of: hash)
        guard bucket.link == nil else { return false }
        var same = bucket.slots(tagged: hash.tag)
        // The tag of an empty slot is zero, as that of some items is.
        for number in bucket.slots(tagged: 0) where bucket[number].load().isEmpty {
            guard same.next() == nil else { return false }
            bucket[number].store(IndexSlot(hash: hash, location: location))
            return true
        }
        return false
    }

    /// Adds an item for a key that is not there, uncounted.
    func fill(_ hash: KeyHash, _ location: Location) throws(StoreError) {
        let shard = shape.shard(of: hash)
        let bucket = buckets[shape.bucket(of: hash, word(of: shard))]
        let item = IndexSlot(hash: hash, location: location)
        if let place = emptyPlace(inChainOf: bucket).place { return place.store(item) }
        try lock(ofShard: shard).withLock { () throws(StoreError) in
            try put(item, inChainOf: bucket, of: shard)
        }
    }

    /// Counts items that were filled in, takes those of these hashes that name these locations out
    /// again, and gives the shard the buckets that it then lacks. Returns what was taken out.
    func settle(
        _ shard: ShardNumber, filled: Int, leavingOut superfluous: [(KeyHash, Location)]
    ) throws(StoreError) -> [Location] {
        // Whoever finds no overflow bucket of its own looks for those of other shards.
        try lock(ofShard: shard).withLock { () throws(StoreError) in
            self[shard, .items].addAsOnlyWriter(UInt64(filled))
            var removed: [Location] = []
            for (hash, location) in superfluous {
                guard let place = place(of: hash, holding: location) else { continue }
                remove(place, of: hash)
                removed.append(location)
            }
            let items = self[shard, .items].loadRelaxed()
            var buckets = 0
            while word(of: shard).buckets != buckets, isFull(word(of: shard), items: items) {
                buckets = word(of: shard).buckets
                try splitOneBucket(of: shard)
            }
            return removed
        }
    }

    /// Where the record lies that may be the same key's as one to be filled in: a hint.
    @inline(__always)
    func doubtfulLocation(of hash: KeyHash) -> Location? {
        let bucket = likelyBucket(of: hash)
        var slots = bucket.slots(tagged: hash.tag)
        return slots.next().map { bucket[$0].load().location }
    }
}
