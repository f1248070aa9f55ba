/// The index's side of its checkpoint.
extension HashIndex {
    /// What a checkpoint of the index as it is would look like in a pool of so many segments.
    func checkpointLayout(segmentCount: Int) -> CheckpointLayout {
        CheckpointLayout(
            shards: shards.count, buckets: bucketsUsed, overflow: overflowCount,
            segments: segmentCount)
    }

    /// The index's own memory, for a checkpoint. Nobody changes the index, and it lives, as long
    /// as the image is used.
    @unsafe
    func image() -> IndexImage {
        IndexImage(
            shape: shape,
            shards: shards.map { shard in
                ShardState(
                    word: word(of: shard), items: self[shard, .items].loadRelaxed(),
                    freeList: FreeBucketLink(rawValue: self[shard, .freeList].loadRelaxed()))
            },
            buckets: unsafe buckets.bytes(ofFirst: bucketsUsed),
            overflow: unsafe overflow.bytes(ofFirst: overflowCount))
    }

    /// Takes a checkpoint's contents over into the empty index of its shape, which nobody else
    /// uses yet. False when they contradict themselves, or do not fit.
    func load(_ checkpoint: CheckpointView) -> Bool {
        let image = checkpoint.index
        let used = image.overflow.count / BucketLayout.bytes
        guard image.buckets.count / BucketLayout.bytes <= buckets.capacity,
            used <= overflow.capacity, checkpoint.isConsistent
        else { return false }
        buckets.copy(from: image.buckets)
        overflow.copy(from: image.overflow)
        overflowUsed.storeRelaxed(UInt64(used))
        for (shard, state) in zip(shards, image.shards) {
            store(state.word, of: shard)
            self[shard, .items].storeRelaxed(state.items)
            self[shard, .freeList].storeRelaxed(state.freeList.rawValue)
        }
        return true
    }
}
