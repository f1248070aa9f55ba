/// Buckets that come and go. The caller holds the shard's lock.
extension HashIndex {
    /// The number of an overflow bucket that is empty and that nothing leads to.
    func takeOverflow(_ shard: ShardNumber) throws(StoreError) -> Int {
        let list = self[shard, .freeList]
        if let number = FreeBucketLink(rawValue: list.loadRelaxed()).bucket {
            let bucket = overflow[number]
            list.storeRelaxed(bucket.nextFree.rawValue)
            bucket[BucketLayout.nextFreeSlot].store(.empty)
            return number
        }
        let number = Int(truncatingIfNeeded: overflowUsed.fetchAdd(1))
        guard number < overflow.capacity else {
            throw StoreError(.io, "the index ran out of overflow buckets")
        }
        return number
    }

    private func giveBackOverflow(_ number: Int, of shard: ShardNumber) {
        let bucket = overflow[number]
        let list = self[shard, .freeList]
        for slot in 0..<BucketLayout.slots { bucket[slot].store(.empty) }
        // In a slot's place: a stray reader may take it for an item, whose location it then finds
        // to be outside the segments.
        bucket.nextFree = FreeBucketLink(rawValue: list.loadRelaxed())
        list.storeRelease(FreeBucketLink(to: number).rawValue)
    }

    /// Splits the bucket that is next, as far as the index may grow.
    func splitOneBucket(of shard: ShardNumber) throws(StoreError) {
        let word = word(of: shard)
        let source = shape.bucket(word.split, of: shard)
        let target = shape.bucket(word.buckets, of: shard)
        guard target < buckets.capacity, word.level + shape.shardBits < shape.baseBits + 24
        else { return }
        let next = word.nextSplit
        func moves(_ slot: IndexSlot) -> Bool {
            slot.isItem && shape.bucket(of: slot, foundIn: source, next) == target
        }
        // First the copies, into a bucket that no word leads to yet.
        try forEachPlace(inChainOf: buckets[source]) { _, slot throws(StoreError) in
            if moves(slot) { try put(slot, inChainOf: buckets[target], of: shard) }
        }
        store(next, of: shard)
        forEachPlace(inChainOf: buckets[source]) { place, slot in
            if moves(slot) { place.store(.empty) }
        }
        shortenChain(of: buckets[source], of: shard)
    }

    /// Moves the items of a chain's only overflow bucket back when the bucket has room again.
    private func shortenChain(of bucket: Bucket, of shard: ShardNumber) {
        guard let link = bucket.link else { return }
        let other = overflow[link]
        guard other.link == nil else { return }
        var items: [IndexSlot] = []
        var holes: [IndexPlace] = []
        for number in 0..<BucketLayout.slots {
            let item = other[number].load()
            if !item.isEmpty { items.append(item) }
            if number < BucketLayout.linkSlot, bucket[number].load().isEmpty {
                holes.append(bucket[number])
            }
        }
        guard items.count <= holes.count + 1 else { return }
        // The link's own slot takes the last item when the holes do not suffice.
        let intoLink = items.count > holes.count ? items.removeLast() : .empty
        for (hole, item) in zip(holes, items) { hole.store(item) }
        // An item there is visible through the link until the very store that replaces it.
        if intoLink.isEmpty { store(word(of: shard).nextVersion, of: shard) }
        bucket[BucketLayout.linkSlot].store(intoLink)
        store(word(of: shard).nextVersion, of: shard)
        giveBackOverflow(link, of: shard)
    }
}
