/// The index's side of its checkpoint.
extension HashIndex {
    /// What a checkpoint of the index as it is would look like in a pool of so many segments, and
    /// numbers of tables.
    func checkpointLayout(segmentCount: Int, tables: Int) -> CheckpointLayout {
        CheckpointLayout(
            shards: shards.count, buckets: bucketsUsed, overflow: overflowCount,
            segments: segmentCount, tables: tables)
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
            buckets: unsafe buckets.bytes(0..<bucketsUsed),
            overflow: unsafe overflow.bytes(0..<overflowCount))
    }

    /// Takes a checkpoint's contents over into the empty index of its shape, which nobody else
    /// uses yet. False when they are damaged, contradict themselves, or do not fit; then the index
    /// is good for nothing. What is checked is the copy.
    ///
    /// - Parameter read: gives the bytes of a piece; called by several threads at once.
    func load(
        _ head: CheckpointHead, threads: Int,
        _ read:
            @escaping @Sendable (
                _ range: Range<Int>, _ body: (ByteView) -> Void
            ) throws(StoreError) -> Void
    ) throws(StoreError) -> Bool {
        let layout = head.layout
        guard layout.buckets <= buckets.capacity, layout.overflow <= overflow.capacity else {
            return false
        }
        let pieces = CheckpointPiece.all(of: layout)
        let censuses = try inParallel(pieces.count, threads: threads) { number throws(StoreError) in
            let piece = pieces[number]
            try read(piece.range(in: layout)) { self.copy($0, to: piece) }
            return self.census(of: piece)
        }
        let links = unsafe overflow.bytes(0..<layout.overflow)
        guard head.isWhole(with: censuses), head.isConsistent(with: censuses, overflow: links)
        else {
            return false
        }
        overflowUsed.storeRelaxed(UInt64(layout.overflow))
        for (shard, state) in zip(shards, head.shards) {
            store(state.word, of: shard)
            self[shard, .items].storeRelaxed(state.items)
            self[shard, .freeList].storeRelaxed(state.freeList.rawValue)
        }
        return true
    }

    private func copy(_ bytes: ByteView, to piece: CheckpointPiece) {
        if piece.areOverflow {
            overflow.copy(from: bytes, at: piece.buckets.lowerBound)
        } else {
            buckets.copy(from: bytes, at: piece.buckets.lowerBound)
        }
    }

    private func census(of piece: CheckpointPiece) -> BucketCensus {
        BucketCensus(
            piece,
            unsafe piece.areOverflow ? overflow.bytes(piece.buckets) : buckets.bytes(piece.buckets),
            shards: shards.count)
    }
}
