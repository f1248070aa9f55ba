import CPmem

extension HashIndex {
    /// Looks for the item of a hash that `accept` recognises. Takes no lock.
    ///
    /// The caller is inside an epoch. `accept` sees each location whose fingerprint matches and
    /// returns nil for one that belongs to another key.
    ///
    /// - Complexity: O(1); one cache miss for a hit or a miss, more where buckets overflowed.
    @inline(__always)
    func find<R>(
        _ hash: UInt64, _ accept: (Location) throws(StoreError) -> R?
    ) throws(StoreError) -> R? {
        let shard = shard(of: hash)
        let address = address(of: hash)
        let tag = UInt16(truncatingIfNeeded: hash >> 48)
        var round = 0
        while true {
            let word = word(shard)
            if word.isPublishing {
                SpinWait.wait(round: round)
                round += 1
                continue
            }
            var line = UnsafeRawPointer(pointer(bucket(address, word)))
            while true {
                var mask = cpmem_bucket_match(line, tag)
                while mask != 0 {
                    let slot = IndexSlot(
                        rawValue: cpmem_load_acquire(line + mask.trailingZeroBitCount &* 8))
                    mask &= mask &- 1
                    if slot.matches(hash), let result = try accept(slot.location) {
                        return result
                    }
                }
                let last = IndexSlot(rawValue: cpmem_load_acquire(line + 56))
                guard last.isLink else { break }
                line = UnsafeRawPointer(overflowPointer(last.overflow))
            }
            cpmem_fence_acquire()
            if self.word(shard) == word { return nil }
        }
    }

    /// The slot that holds exactly this location, if the index still does. Shard locked.
    func slot(_ hash: UInt64, holding location: Location) -> UnsafeMutableRawPointer? {
        var line = pointer(bucket(address(of: hash), word(shard(of: hash))))
        let wanted = IndexSlot(hash: hash, location: location).rawValue
        while true {
            for offset in stride(from: 0, to: 64, by: 8)
            where cpmem_load_relaxed(line + offset) == wanted {
                return line + offset
            }
            let last = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
            guard last.isLink else { return nil }
            line = overflowPointer(last.overflow)
        }
    }

    /// Calls body with the locations in a hash's own bucket whose tag matches: a hint, neither
    /// complete nor exact.
    @inline(__always)
    func forEachCandidate(_ hash: UInt64, _ body: (Location) -> Void) {
        let line = pointer(bucket(address(of: hash), word(shard(of: hash))))
        var mask = cpmem_bucket_match(line, UInt16(truncatingIfNeeded: hash >> 48))
        while mask != 0 {
            let slot = IndexSlot(
                rawValue: cpmem_load_relaxed(line + mask.trailingZeroBitCount &* 8))
            mask &= mask &- 1
            if slot.isItem { body(slot.location) }
        }
    }

    /// The slot of the item that `accept` recognises. Shard locked.
    @inline(__always)
    func locate<R>(
        _ hash: UInt64, _ accept: (Location) throws(StoreError) -> R?
    ) throws(StoreError) -> (slot: UnsafeMutableRawPointer, found: R)? {
        let tag = UInt16(truncatingIfNeeded: hash >> 48)
        var line = pointer(bucket(address(of: hash), word(shard(of: hash))))
        while true {
            var mask = cpmem_bucket_match(line, tag)
            while mask != 0 {
                let place = line + mask.trailingZeroBitCount &* 8
                mask &= mask &- 1
                let slot = IndexSlot(rawValue: cpmem_load_relaxed(place))
                if slot.matches(hash), let found = try accept(slot.location) {
                    return (place, found)
                }
            }
            let last = IndexSlot(rawValue: cpmem_load_relaxed(line + 56))
            guard last.isLink else { return nil }
            line = overflowPointer(last.overflow)
        }
    }

    /// Calls body with every location. Complete only while nothing is written; with writers
    /// about, items that move meanwhile may be met twice or not at all.
    func forEachLocation(_ body: (Location) throws(StoreError) -> Void) throws(StoreError) {
        for shard in 0..<shardCount { try forEachLocation(inShard: shard, body) }
    }

    /// The same for one shard; complete when the shard is locked.
    func forEachLocation(
        inShard shard: Int, _ body: (Location) throws(StoreError) -> Void
    ) throws(StoreError) {
        for local in 0..<Int(word(shard).buckets) {
            var line = pointer(local << shape.shardBits | shard)
            while true {
                var next: Int?
                for offset in stride(from: 0, to: 64, by: 8) {
                    let slot = IndexSlot(rawValue: cpmem_load_acquire(line + offset))
                    if slot.isLink {
                        next = slot.overflow
                    } else if slot.isItem {
                        try body(slot.location)
                    }
                }
                guard let next else { break }
                line = overflowPointer(next)
            }
        }
    }
}
