import CPmem

/// Changes of the index. The caller holds the shard's lock.
extension HashIndex {
    /// Adds an item for a key that is not there. O(1): at most one bucket is split.
    func insert(_ hash: KeyHash, _ location: Location) throws(StoreError) {
        let shard = shape.shard(of: hash)
        let word = word(of: shard)
        let bucket = buckets[shape.bucket(of: hash, word)]
        try put(IndexSlot(hash: hash, location: location), inChainOf: bucket, of: shard)
        let items = self[shard, .items].loadRelaxed() &+ 1
        self[shard, .items].storeRelaxed(items)
        if isFull(word, items: items) { try splitOneBucket(of: shard) }
    }

    /// Lets the item at a place name another location.
    @inline(__always)
    func replace(_ place: IndexPlace, of hash: KeyHash, by location: Location) {
        place.store(IndexSlot(hash: hash, location: location))
    }

    /// Lets the item that names one location name another. False when no item names the old one.
    ///
    /// - Parameter seen: where the item stood a while ago: one that names the location now is it.
    ///   A slot that is not in use is empty, or a link of a list, which looks like an item without
    ///   a fingerprint.
    func move(
        _ hash: KeyHash, from old: Location, to new: Location, seen: IndexPlace
    ) -> Bool {
        let isThere =
            hash.fingerprint != 0 && seen.load() == IndexSlot(hash: hash, location: old)
        guard let place = isThere ? seen : place(of: hash, holding: old) else { return false }
        replace(place, of: hash, by: new)
        return true
    }

    /// Takes the item at a place out, and gives back an overflow bucket that this makes
    /// superfluous. O(1).
    func remove(_ place: IndexPlace, of hash: KeyHash) {
        place.store(.empty)
        let shard = shape.shard(of: hash)
        let items = self[shard, .items]
        items.storeRelaxed(items.loadRelaxed() &- 1)
        shortenChain(of: buckets[shape.bucket(of: hash, word(of: shard))], of: shard)
    }

    /// Takes out all items of a shard that the condition holds for. No readers may be inside.
    func removeItems(inShard shard: ShardNumber, where isUnwanted: (Location) -> Bool) {
        var removed: UInt64 = 0
        for local in 0..<word(of: shard).buckets {
            let bucket = buckets[shape.bucket(local, of: shard)]
            forEachPlace(inChainOf: bucket) { place, slot in
                if slot.isItem, isUnwanted(slot.location) {
                    place.store(.empty)
                    removed += 1
                }
            }
            shortenChain(of: bucket, of: shard)
        }
        let items = self[shard, .items]
        items.storeRelaxed(items.loadRelaxed() &- removed)
    }

    /// Keeps readers of these shards waiting from ``beginPublishing(_:)`` to ``endPublishing(_:)``.
    func beginPublishing(_ shards: ShardSet) {
        shards.forEach { store(word(of: $0).publishing, of: $0) }
        cpmem_fence_seq_cst()
    }

    func endPublishing(_ shards: ShardSet) {
        shards.forEach { store(word(of: $0).published, of: $0) }
    }

    /// Puts an item into the first empty slot of a chain, which grows when there is none.
    func put(
        _ item: IndexSlot, inChainOf start: Bucket, of shard: ShardNumber
    ) throws(StoreError) {
        let (place, end) = emptyPlace(inChainOf: start)
        if let place { return place.store(item) }
        // The last item moves behind the link: both are stored before the link shows.
        let last = end[BucketLayout.linkSlot]
        let number = try takeOverflow(shard)
        overflow[number][0].store(last.load())
        overflow[number][1].store(item)
        last.store(IndexSlot(linkTo: number))
    }

    /// The first empty slot of a chain; without one its last bucket, which is full.
    func emptyPlace(inChainOf start: Bucket) -> (place: IndexPlace?, end: Bucket) {
        var bucket = start
        while true {
            for number in 0..<BucketLayout.slots {
                let place = bucket[number]
                if place.load().isEmpty { return (place, bucket) }
            }
            guard let link = bucket.link else { return (nil, bucket) }
            bucket = overflow[link]
        }
    }
}
