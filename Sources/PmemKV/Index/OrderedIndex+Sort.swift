/// The records of a part of the index, and what their keys begin with.
struct OrderedRun {
    fileprivate(set) var entries: [OrderedIndex.Entry] = []
    /// A record whose key cannot be told.
    fileprivate(set) var unknown: StoreError?
    /// How much of the expected beginning all keys have.
    fileprivate(set) var shared: Int
    /// Where the entries of each range of prefixes begin, and the end of the last one.
    fileprivate var starts: [Int] = []
}

/// Bringing all records into the order of their keys.
///
/// Each record is read once for eight bytes of its key, behind those that all keys begin with. What
/// these eight bytes do not tell apart is read again, for the next ones.
extension OrderedIndex {
    /// Keys that are looked at for what all of them may have in common.
    private static let samples = 256
    /// Entries of a range of prefixes, which one thread sorts at a time.
    private static let rangeLength = 8192

    /// Fills the empty index with all that the hash index names. Nobody else uses the store yet.
    ///
    /// - Complexity: O(n log n) on `threads` threads at most; about 40 bytes a key meanwhile.
    func load(threads: Int) throws(StoreError) {
        var shared = try sharedSample()
        var runs = try read(behind: shared, threads: threads)
        if let lowest = runs.map(\.shared).min(), lowest < shared.count {
            shared.removeLast(shared.count - lowest)
            runs = try read(behind: shared, threads: threads)
        }
        unknownKey = runs.lazy.compactMap(\.unknown).first
        let splitters = splitters(of: runs)
        let unsplit = runs
        let parts = try inParallel(runs.count, threads: threads) { number in
            unsplit[number].distributed(by: splitters)
        }
        let beginning = shared
        let sorted = try inParallel(splitters.count + 1, threads: threads) { range in
            var entries = parts.flatMap { $0.entries(ofRange: range) }
            entries.sort { $0.prefix < $1.prefix }
            self.settleTies(&entries, behind: beginning.count)
            return entries
        }
        try load(sorted, sharing: shared, threads: threads)
    }

    /// What some of the keys begin with.
    private func sharedSample() throws(StoreError) -> [UInt8] {
        var shared: [UInt8]?
        var rest = Self.samples
        for shard in records.index.shards where rest > 0 {
            try records.forEachRecord(inShards: shard..<(shard.advanced(by: 1))) { record in
                guard rest > 0 else { return }
                rest -= 1
                let start = record.key.prefix(min(record.keyLength, OrderedNode.sharedCapacity))
                let known = shared ?? start.array
                shared = Array(known.prefix(record.key.commonPrefix(with: known)))
            } damage: { _ in
            }
        }
        return shared ?? []
    }

    private func read(
        behind shared: [UInt8], threads: Int
    ) throws(StoreError) -> [OrderedRun] {
        let records = records
        return try inParallel(records.index.shards.count, threads: threads) {
            number throws(StoreError) -> OrderedRun in
            var run = OrderedRun(shared: shared.count)
            let shard = ShardNumber(number)
            run.entries.reserveCapacity(
                Int(truncatingIfNeeded: records.index[shard, .items].loadRelaxed()))
            try records.forEachRecord(inShards: shard..<(shard.advanced(by: 1))) { record in
                let common = shared.isEmpty ? 0 : record.key.commonPrefix(with: shared)
                run.shared = min(run.shared, common)
                run.entries.append(
                    Entry(
                        prefix: record.key.dropFirst(common).sortPrefix,
                        location: record.location))
            } damage: { record in
                run.unknown = records.log.damage(record)
            }
            return run
        }
    }

    /// Prefixes that part all entries into ranges of about equal length.
    private func splitters(of runs: [OrderedRun]) -> [UInt64] {
        let total = runs.reduce(0) { $0 + $1.entries.count }
        let count = total / Self.rangeLength
        guard count > 0 else { return [] }
        let step = max(1, total / (count * 16))
        var sample: [UInt64] = []
        for run in runs {
            for number in stride(from: 0, to: run.entries.count, by: step) {
                sample.append(run.entries[number].prefix)
            }
        }
        sample.sort()
        return (1...count).map { sample[$0 * (sample.count - 1) / (count + 1)] }
    }

    /// Orders the entries with the same prefix by what follows it in their keys.
    private func settleTies(_ entries: inout [Entry], behind depth: Int) {
        var start = 0
        while start < entries.count {
            var end = start + 1
            while end < entries.count, entries[end].prefix == entries[start].prefix { end += 1 }
            if end - start > 1 { settle(&entries[start..<end], behind: depth) }
            start = end
        }
    }

    /// Orders entries whose keys are alike up to `depth` bytes and the prefix behind them. They
    /// keep their prefix.
    private func settle(_ entries: inout ArraySlice<Entry>, behind depth: Int) {
        for entry in entries { records.log.prefetchRecord(at: entry.location) }
        let common = commonLength(entries)
        guard entries.count > 16, common > depth else {
            entries.sort { left, right in
                let isBefore = withKey(of: left.location) { key in
                    withKey(of: right.location) { key.order(against: $0) < 0 } ?? false
                }
                return isBefore ?? false
            }
            return
        }
        let prefix = entries[entries.startIndex].prefix
        var deeper = entries.map { entry in
            Entry(
                prefix: withKey(of: entry.location) { $0.dropFirst(common).sortPrefix } ?? 0,
                location: entry.location)
        }
        deeper.sort { $0.prefix < $1.prefix }
        settleTies(&deeper, behind: common)
        for (place, entry) in zip(entries.indices, deeper) {
            entries[place] = Entry(prefix: prefix, location: entry.location)
        }
    }

    /// Bytes that the keys of all these entries begin with.
    private func commonLength(_ entries: ArraySlice<Entry>) -> Int {
        let common = entries.first.flatMap { first in
            withKey(of: first.location) { key in
                entries.reduce(key) { common, entry in
                    common.prefix(
                        withKey(of: entry.location) { common.commonPrefix(with: $0) } ?? 0)
                }.count
            }
        }
        return common ?? 0
    }
}

extension OrderedRun {
    /// The same entries, those of each range of prefixes side by side.
    fileprivate func distributed(by splitters: [UInt64]) -> OrderedRun {
        guard !splitters.isEmpty else {
            var result = self
            result.starts = [0, entries.count]
            return result
        }
        let ranges = entries.map { entry in
            var (low, high) = (0, splitters.count)
            while low < high {
                let middle = (low + high) / 2
                if splitters[middle] <= entry.prefix { low = middle + 1 } else { high = middle }
            }
            return UInt32(truncatingIfNeeded: low)
        }
        var result = self
        result.starts = [Int](repeating: 0, count: splitters.count + 2)
        for range in ranges { result.starts[Int(range) + 1] += 1 }
        for range in 1..<result.starts.count { result.starts[range] += result.starts[range - 1] }
        var next = result.starts
        for (entry, range) in zip(entries, ranges) {
            result.entries[next[Int(range)]] = entry
            next[Int(range)] += 1
        }
        return result
    }

    fileprivate func entries(ofRange range: Int) -> ArraySlice<OrderedIndex.Entry> {
        entries[starts[range]..<starts[range + 1]]
    }
}
