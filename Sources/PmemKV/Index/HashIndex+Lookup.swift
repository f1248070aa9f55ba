import CPmem

/// Looking for items.
extension HashIndex {
    /// Looks for the item of a hash that `accept` recognises. Takes no lock.
    ///
    /// The caller is inside an epoch. `accept` sees each location whose fingerprint matches and
    /// returns nil for one that belongs to another key.
    ///
    /// - Complexity: O(1); one cache miss for a hit or a miss, more where buckets overflowed.
    @inline(__always)
    func find<R>(
        _ hash: KeyHash, _ accept: (Location) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        let shard = shape.shard(of: hash)
        var round = 0
        while true {
            let word = word(of: shard)
            if word.isPublishing {
                SpinWait.wait(round: round)
                round += 1
                continue
            }
            var bucket = buckets[shape.bucket(of: hash, word)]
            while true {
                SchedulingPoint.pass()
                for number in bucket.slots(tagged: hash.tag) {
                    SchedulingPoint.pass()
                    let slot = bucket[number].load()
                    if slot.matches(hash), let found = try accept(slot.location) { return found }
                }
                SchedulingPoint.pass()
                guard let link = bucket.link else { break }
                bucket = overflow[link]
            }
            SchedulingPoint.pass()
            cpmem_fence_acquire()
            if self.word(of: shard) == word { return nil }
        }
    }

    /// The place of the item that `accept` recognises. Shard locked.
    @inline(__always)
    func locate<R>(
        _ hash: KeyHash, _ accept: (Location) throws(StoreError) -> R?
    ) throws(StoreError) -> (place: IndexPlace, found: R)? {
        var found: R?
        let place = try search(hash, word(of: shape.shard(of: hash))) {
            location throws(StoreError) in
            found = try accept(location)
            return found != nil
        }
        guard let place, let found else { return nil }
        return (place, found)
    }

    /// The place of the item that names exactly this location, if there still is one. Shard locked.
    func place(of hash: KeyHash, holding location: Location) -> IndexPlace? {
        let item = IndexSlot(hash: hash, location: location)
        return search(hash, word(of: shape.shard(of: hash)), for: item)
    }

    /// The same without a lock, so that the item may stand elsewhere, or be gone, by the time this
    /// returns.
    ///
    /// - Complexity: O(1).
    @inline(__always)
    func placeSeen(of hash: KeyHash, holding location: Location) -> IndexPlace? {
        let shard = shape.shard(of: hash)
        let item = IndexSlot(hash: hash, location: location)
        while true {
            let word = word(of: shard)
            SchedulingPoint.pass()
            if let place = search(hash, word, for: item) { return place }
            SchedulingPoint.pass()
            cpmem_fence_acquire()
            if self.word(of: shard) == word { return nil }
        }
    }

    /// The place in a hash's chain where exactly this item stands.
    @inline(__always)
    private func search(_ hash: KeyHash, _ word: ShardWord, for item: IndexSlot) -> IndexPlace? {
        var bucket = buckets[shape.bucket(of: hash, word)]
        while true {
            for number in bucket.slots(tagged: hash.tag) where bucket[number].load() == item {
                return bucket[number]
            }
            guard let link = bucket.link else { return nil }
            bucket = overflow[link]
        }
    }

    /// The first place in a hash's chain whose fingerprint and location are the right ones.
    @inline(__always)
    private func search<E: Error>(
        _ hash: KeyHash, _ word: ShardWord, _ isRight: (Location) throws(E) -> Bool
    ) throws(E) -> IndexPlace? {
        var bucket = buckets[shape.bucket(of: hash, word)]
        while true {
            for number in bucket.slots(tagged: hash.tag) {
                let place = bucket[number]
                let slot = place.load()
                if slot.matches(hash), try isRight(slot.location) { return place }
            }
            guard let link = bucket.link else { return nil }
            bucket = overflow[link]
        }
    }

    /// The item of a hash where most are found, first of their tag in their bucket; nil when it is
    /// not there, which says nothing. Takes no lock; the caller is inside an epoch.
    @inline(__always)
    func likelyItem(of hash: KeyHash) -> IndexSlot? {
        let word = word(of: shape.shard(of: hash))
        SchedulingPoint.pass()
        guard !word.isPublishing else { return nil }
        let slot = buckets[shape.bucket(of: hash, word)].likelySlot(hash.tag)
        SchedulingPoint.pass()
        return slot.matches(hash) ? slot : nil
    }

    /// Where the record of a hash most likely lies, if there is one: a hint that may be anywhere.
    @inline(__always)
    func likelyLocation(of hash: KeyHash) -> Location {
        likelyBucket(of: hash).likelySlot(hash.tag).location
    }

    /// Whether an item with the fingerprint of a hash was seen at a glance: a hint.
    @inline(__always)
    func seemsToHold(_ hash: KeyHash) -> Bool {
        likelyBucket(of: hash).likelySlot(hash.tag).matches(hash)
    }

    /// Whether there is an item with the fingerprint of a hash, whatever its key. Takes no lock,
    /// and no epoch, since no location is followed.
    func mayHold(_ hash: KeyHash) throws(StoreError) -> Bool {
        try find(hash) { _ in true } ?? false
    }

    /// Starts to load the bucket of a key that is looked for soon.
    @inline(__always)
    func prefetch(_ hash: KeyHash) { likelyBucket(of: hash).prefetch() }

    /// The bucket of a hash, which may be another one before long: a hint.
    @inline(__always)
    func likelyBucket(of hash: KeyHash) -> Bucket {
        buckets[shape.bucket(of: hash, word(of: shape.shard(of: hash)))]
    }

    /// Starts to load the bucket that the next insert of this shard is going to split.
    @inline(__always)
    func prefetchSplit(_ hash: KeyHash) {
        let shard = shape.shard(of: hash)
        let word = word(of: shard)
        if isFull(word, items: self[shard, .items].loadRelaxed() &+ 1) {
            buckets[shape.bucket(word.split, of: shard)].prefetch()
        }
    }

    /// Calls body with every location. Complete only while nothing is written; with writers
    /// about, items that move meanwhile may be met twice or not at all.
    func forEachLocation<E: Error>(_ body: (Location) throws(E) -> Void) throws(E) {
        for shard in shards { try forEachLocation(inShard: shard, body) }
    }

    /// The same for one shard; complete when the shard is locked.
    func forEachLocation<E: Error>(
        inShard shard: ShardNumber, _ body: (Location) throws(E) -> Void
    ) throws(E) {
        try forEachPlace(inShard: shard) { _, slot throws(E) in
            if slot.isItem { try body(slot.location) }
        }
    }

    @inline(__always)
    func forEachPlace<E: Error>(
        inShard shard: ShardNumber, _ body: (IndexPlace, IndexSlot) throws(E) -> Void
    ) throws(E) {
        for local in 0..<word(of: shard).buckets {
            try forEachPlace(inChainOf: buckets[shape.bucket(local, of: shard)], body)
        }
    }

    /// Calls body with each slot of a bucket and its overflow buckets. Body may empty it.
    @inline(__always)
    func forEachPlace<E: Error>(
        inChainOf start: Bucket, _ body: (IndexPlace, IndexSlot) throws(E) -> Void
    ) throws(E) {
        var bucket = start
        while true {
            let link = bucket.link
            for number in 0..<BucketLayout.slots {
                let place = bucket[number]
                try body(place, place.load())
            }
            guard let link else { return }
            bucket = overflow[link]
        }
    }
}
