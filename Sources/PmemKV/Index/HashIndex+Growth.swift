import CPmem

/// Changes of the index. The caller holds the shard's lock.
extension HashIndex {
    /// Adds an item for a key that is not there. O(1): at most one bucket is split.
    func insert(_ hash: UInt64, _ location: Location) throws(StoreError) {
        let shard = shard(of: hash)
        let slot = IndexSlot(hash: hash, location: location)
        try place(slot, inChainOf: pointer(bucket(address(of: hash), word(shard))), shard: shard)
        let count = cpmem_load_relaxed(countPointer(shard)) &+ 1
        cpmem_store_relaxed(countPointer(shard), count)
        if count &* 2 > word(shard).buckets * UInt64(Self.splitLoadTimes2) {
            try splitOneBucket(shard)
        }
    }

    /// Puts another location into an item's slot.
    @inline(__always)
    func replace(_ place: UnsafeMutableRawPointer, _ hash: UInt64, _ location: Location) {
        cpmem_store_release(place, IndexSlot(hash: hash, location: location).rawValue)
    }

    /// Takes an item out.
    func remove(_ place: UnsafeMutableRawPointer, _ hash: UInt64) {
        cpmem_store_release(place, 0)
        let count = countPointer(shard(of: hash))
        cpmem_store_relaxed(count, cpmem_load_relaxed(count) &- 1)
    }

    /// Takes out all items of a shard that the condition holds for. No readers may be inside.
    func removeItems(inShard shard: Int, where isUnwanted: (Location) -> Bool) {
        var removed: UInt64 = 0
        for local in 0..<Int(word(shard).buckets) {
            var line = pointer(local << shape.shardBits | shard)
            while true {
                for offset in stride(from: 0, to: 64, by: 8) {
                    let slot = IndexSlot(rawValue: cpmem_load_relaxed(line + offset))
                    if slot.isItem, isUnwanted(slot.location) {
                        cpmem_store_relaxed(line + offset, 0)
                        removed += 1
                    }
                }
                let last = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
                guard last.isLink else { break }
                line = overflowPointer(last.overflow)
            }
        }
        let count = countPointer(shard)
        cpmem_store_relaxed(count, cpmem_load_relaxed(count) &- removed)
    }

    /// Keeps readers of these shards waiting from ``beginPublishing`` to ``endPublishing``.
    func beginPublishing(_ shard: Int) {
        cpmem_store_release(wordPointer(shard), word(shard).publishing.rawValue)
        cpmem_fence_seq_cst()
    }

    func endPublishing(_ shard: Int) {
        cpmem_store_release(wordPointer(shard), word(shard).published.rawValue)
    }

    private func place(
        _ item: IndexSlot, inChainOf start: UnsafeMutableRawPointer, shard: Int
    ) throws(StoreError) {
        var line = start
        while true {
            for offset in stride(from: 0, to: 64, by: 8)
            where cpmem_load_relaxed(line + offset) == 0 {
                cpmem_store_release(line + offset, item.rawValue)
                return
            }
            let last = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
            guard last.isLink else {
                // The last item moves behind the link: both are stored before the link shows.
                let number = try takeOverflow(shard)
                cpmem_store_release(overflowPointer(number), last.rawValue)
                cpmem_store_release(overflowPointer(number) + 8, item.rawValue)
                cpmem_store_release(line + 56, IndexSlot(linkTo: number).rawValue)
                return
            }
            line = overflowPointer(last.overflow)
        }
    }

    private func takeOverflow(_ shard: Int) throws(StoreError) -> Int {
        let list = freeListPointer(shard)
        let head = Int(cpmem_load_relaxed(list))
        if head != 0 {
            let line = overflowPointer(head - 1)
            cpmem_store_relaxed(list, cpmem_load_relaxed(line + 48))
            cpmem_store_relaxed(line + 48, 0)
            return head - 1
        }
        let number = Int(cpmem_fetch_add(overflowUsedPointer, 1))
        guard number < overflowCapacity else {
            throw StoreError(.io, "the index ran out of overflow buckets")
        }
        return number
    }

    private func giveBackOverflow(_ number: Int, shard: Int) {
        let line = overflowPointer(number)
        for offset in stride(from: 0, to: 64, by: 8) { cpmem_store_relaxed(line + offset, 0) }
        // The next free bucket's number, in a slot's place: a stray reader may take it for an
        // item, whose location it then finds to be outside the segments.
        cpmem_store_relaxed(line + 48, cpmem_load_relaxed(freeListPointer(shard)))
        cpmem_store_release(freeListPointer(shard), UInt64(number + 1))
    }

    private func splitOneBucket(_ shard: Int) throws(StoreError) {
        let word = word(shard)
        let source = Int(word.split) << shape.shardBits | shard
        let target = Int(word.split + (1 << word.level)) << shape.shardBits | shard
        guard target < bucketCapacity, Int(word.level) + shape.shardBits < shape.baseBits + 24
        else { return }
        let next = word.nextSplit
        func moves(_ slot: IndexSlot) -> Bool {
            slot.isItem && bucket(address(of: slot, inBucket: source), next) == target
        }
        // First the copies, into a bucket that no word leads to yet.
        try forEachSlot(inChainOf: pointer(source)) { place, slot throws(StoreError) in
            if moves(slot) { try self.place(slot, inChainOf: pointer(target), shard: shard) }
        }
        cpmem_store_release(wordPointer(shard), next.rawValue)
        try forEachSlot(inChainOf: pointer(source)) { place, slot throws(StoreError) in
            if moves(slot) { cpmem_store_release(place, 0) }
        }
        shortenChain(of: pointer(source), shard: shard)
    }

    private func forEachSlot(
        inChainOf start: UnsafeMutableRawPointer,
        _ body: (UnsafeMutableRawPointer, IndexSlot) throws(StoreError) -> Void
    ) throws(StoreError) {
        var line = start
        while true {
            let last = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
            for offset in stride(from: 0, to: 64, by: 8) {
                try body(line + offset, IndexSlot(rawValue: cpmem_load_relaxed(line + offset)))
            }
            guard last.isLink else { return }
            line = overflowPointer(last.overflow)
        }
    }

    /// Moves the items of a chain's only overflow bucket back when the bucket has room again.
    private func shortenChain(of line: UnsafeMutableRawPointer, shard: Int) {
        let link = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
        guard link.isLink else { return }
        let other = overflowPointer(link.overflow)
        guard !IndexSlot(rawValue: cpmem_load_relaxed(other + 56)).isLink else { return }
        var items: [UInt64] = []
        var holes: [Int] = []
        for offset in stride(from: 0, to: 64, by: 8) {
            let item = cpmem_load_relaxed(other + offset)
            if item != 0 { items.append(item) }
            if offset < 56, cpmem_load_relaxed(line + offset) == 0 { holes.append(offset) }
        }
        guard items.count <= holes.count + 1 else { return }
        // The link's own slot takes the last item when the holes do not suffice.
        let intoLink = items.count > holes.count ? items.removeLast() : 0
        for (hole, item) in zip(holes, items) { cpmem_store_release(line + hole, item) }
        if intoLink != 0 {
            // Visible through the link until the very store that replaces it.
            cpmem_store_release(line + 56, intoLink)
        } else {
            cpmem_store_release(wordPointer(shard), word(shard).nextVersion.rawValue)
            cpmem_store_release(line + 56, 0)
        }
        cpmem_store_release(wordPointer(shard), word(shard).nextVersion.rawValue)
        giveBackOverflow(link.overflow, shard: shard)
    }
}
