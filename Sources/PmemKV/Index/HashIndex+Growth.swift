/// Buckets that come and go. The caller holds the shard's lock.
extension HashIndex {
    /// The number of an overflow bucket that is empty and that nothing leads to.
    func takeOverflow(_ shard: ShardNumber) throws(StoreError) -> Int {
        if let number = takeFree(of: shard) { return number }
        if overflowCount < overflow.capacity {
            let number = Int(truncatingIfNeeded: overflowUsed.fetchAdd(1))
            if number < overflow.capacity { return number }
            overflowUsed.addRelaxed(.max)
        }
        // Others have them, from when there was more in their chains. There are enough for all.
        for round in 0..<Self.patience {
            for other in shards where other != shard && lock(ofShard: other).tryLock() {
                defer { lock(ofShard: other).unlock() }
                if let number = takeFree(of: other) { return number }
            }
            SpinWait.wait(round: round)
        }
        throw StoreError(.io, "the index ran out of overflow buckets")
    }

    /// Rounds in which buckets of other shards, whose locks are held meanwhile, are looked for.
    private static let patience = 1000

    /// An overflow bucket that a shard has and does not use. Its lock is held.
    private func takeFree(of shard: ShardNumber) -> Int? {
        let list = self[shard, .freeList]
        guard let number = FreeBucketLink(rawValue: list.loadRelaxed()).bucket else { return nil }
        let bucket = overflow[number]
        list.storeRelaxed(bucket.nextFree.rawValue)
        bucket[BucketLayout.nextFreeSlot].store(.empty)
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

    /// Makes an index, which nobody else uses yet, as large as so many keys would make it, or a
    /// little less: what is estimated too high would stay so. An empty one is that at once.
    func grow(to keys: Int) throws(StoreError) {
        let wanted = keys / shards.count * 2 / Self.splitLoadTimes2 * 31 / 32
        let level = Int.bitWidth - 1 - max(1, wanted).leadingZeroBitCount
        for shard in shards {
            guard wanted > word(of: shard).buckets,
                mayHave(bucket: wanted - 1, of: shard, level: level)
            else { continue }
            if self[shard, .items].loadRelaxed() == 0 {
                store(ShardWord(level: level, split: wanted - 1 << level, version: 0), of: shard)
            } else {
                while word(of: shard).buckets < wanted { try splitOneBucket(of: shard) }
            }
        }
    }

    /// Whether there is memory for a shard's bucket, and a bit of each item that leads to it.
    private func mayHave(bucket: Int, of shard: ShardNumber, level: Int) -> Bool {
        shape.bucket(bucket, of: shard) < buckets.capacity
            && level + shape.shardBits < shape.baseBits + 24
    }

    /// Splits the bucket that is next, as far as the index may grow.
    func splitOneBucket(of shard: ShardNumber) throws(StoreError) {
        let word = word(of: shard)
        let source = shape.bucket(word.split, of: shard)
        let target = shape.bucket(word.buckets, of: shard)
        guard mayHave(bucket: word.buckets, of: shard, level: word.level) else { return }
        // First the copies, into a bucket that no word leads to yet.
        var filled = 0
        try forEachPlace(inChainOf: buckets[source]) { _, slot throws(StoreError) in
            guard shape.moves(slot, inSplitOf: word) else { return }
            if filled < BucketLayout.slots {
                buckets[target][filled].store(slot)
                filled += 1
            } else {
                try put(slot, inChainOf: buckets[target], of: shard)
            }
        }
        store(word.nextSplit, of: shard)
        forEachPlace(inChainOf: buckets[source]) { place, slot in
            if shape.moves(slot, inSplitOf: word) { place.store(.empty) }
        }
        shortenChain(of: buckets[source], of: shard)
    }

    /// Gives back the overflow buckets that a chain can do without: while the items of its last
    /// bucket fit into holes of the others, they move there.
    ///
    /// A chain so keeps more than seven items for each of its overflow buckets, which bounds how
    /// many are in use.
    ///
    /// The slot of a link takes no item: a reader that has looked for its tag in the bucket, and
    /// then loads the link, would see neither the item nor that the word has changed. The copies
    /// are stored first, then the word, then the link goes: a reader that misses an item in the
    /// bucket that went sees the changed word.
    func shortenChain(of start: Bucket, of shard: ShardNumber) {
        while let end = endOfChain(start), end.items <= end.holes {
            let last = overflow[end.number]
            for number in 0..<BucketLayout.slots {
                let item = last[number].load()
                if !item.isEmpty { emptyPlace(inChainOf: start).place?.store(item) }
            }
            store(word(of: shard).nextVersion, of: shard)
            end.parent[BucketLayout.linkSlot].store(.empty)
            giveBackOverflow(end.number, of: shard)
        }
    }

    /// The last bucket of a chain.
    private struct ChainEnd {
        let number: Int
        /// The bucket whose link leads to it.
        let parent: Bucket
        let items: Int
        /// Empty slots of the other buckets.
        let holes: Int
    }

    /// Nil when a bucket has not overflowed.
    private func endOfChain(_ start: Bucket) -> ChainEnd? {
        guard var number = start.link else { return nil }
        var parent = start
        var holes = start.emptySlots
        while let next = overflow[number].link {
            parent = overflow[number]
            holes += parent.emptySlots
            number = next
        }
        return ChainEnd(
            number: number, parent: parent,
            items: BucketLayout.slots - overflow[number].emptySlots, holes: holes)
    }
}
