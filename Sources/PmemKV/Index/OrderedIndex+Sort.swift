import CPmem

/// Bringing all records into the order of their keys.
///
/// Each record is read once for eight bytes of its key, behind those that all keys begin with,
/// segment after segment: so the pages of memory that are read lie close together. What these eight
/// bytes do not tell apart is read again, for the next ones.
extension OrderedIndex {
    /// Keys that are looked at for what all of them may have in common.
    private static let samples = 256
    /// Entries of a range of prefixes, which one thread sorts at a time.
    private static let rangeLength = 8192
    /// Records ahead of the one looked at that are on their way to the processor.
    private static let lookahead = 16

    /// Fills the empty index with what the hash index names of its table. Nobody else uses the
    /// store yet. Returns the places of other tables' records that were met.
    ///
    /// - Parameter known: the places of the table's records, where somebody has met them; nil for
    ///   all that the hash index names.
    /// - Complexity: O(n) where keys are spread evenly, O(n log n) at most, on `threads` threads at
    ///   most; about 50 bytes a key meanwhile.
    func load(
        _ known: [Location]? = nil, threads: Int
    ) throws(StoreError) -> [TableNumber: [Location]] {
        var shared = try sharedSample(of: known)
        let groups = SegmentGroups(
            records.log.segments, records: known?.count ?? records.index.count)
        let places = try places(known, in: groups, threads: threads)
        var runs = try read(places, groups, behind: shared, threads: threads)
        if let lowest = runs.map(\.shared).min(), lowest < shared.count {
            shared.removeLast(shared.count - lowest)
            runs = try read(places, groups, behind: shared, threads: threads)
        }
        unknownKey = runs.lazy.compactMap(\.unknown).first
        let splitters = splitters(of: runs)
        let unsplit = runs
        let parts = try inParallel(runs.count, threads: threads) { number in
            var run = unsplit[number]
            unsafe splitters.withUnsafeBufferPointer { splitters in
                run.distribute(splitters.count + 1) {
                    Int(
                        unsafe cpmem_count_not_above(
                            splitters.baseAddress, splitters.count, $0.prefix))
                }
            }
            return run
        }
        let beginning = shared
        let sorted = try inParallel(splitters.count + 1, threads: threads) { range in
            var entries = OrderedRun.entries(ofRange: range, in: parts)
            entries.sortByPrefix()
            self.settleTies(&entries, behind: beginning.count)
            return entries
        }
        try load(sorted, sharing: shared, threads: threads)
        var others: [TableNumber: [Location]] = [:]
        for run in runs { others.merge(run.others, uniquingKeysWith: +) }
        return others
    }

    /// What some of the keys begin with: few, since each may lie in a page that nobody has touched.
    private func sharedSample(of known: [Location]?) throws(StoreError) -> [UInt8] {
        var places = Array((known ?? []).prefix(Self.samples))
        for shard in records.index.shards where known == nil && places.count < Self.samples {
            records.index.forEachLocation(inShard: shard) { location in
                if places.count < Self.samples { places.append(location) }
            }
        }
        var shared: [UInt8]?
        for place in places {
            _ = try records.log.withRecord(at: place) { record throws(StoreError) -> Void? in
                guard record.knowsKey, record.table == table else { return nil }
                let start = record.key.prefix(min(record.keyLength, OrderedNode.sharedCapacity))
                let known = shared ?? start.array
                shared = Array(known.prefix(record.key.commonPrefix(with: known)))
                return nil
            }
        }
        return shared ?? []
    }

    /// The places that are known, or all that the hash index names, in runs in each of which what
    /// lies in neighbouring segments stands side by side; so many groups of these.
    private func places(
        _ known: [Location]?, in groups: SegmentGroups, threads: Int
    ) throws(StoreError) -> [OrderedRun] {
        let index = records.index
        if let known {
            var run = OrderedRun()
            run.entries = known.map { Entry(prefix: 0, location: $0) }
            run.distribute(groups.count) { groups.group(of: $0.location) }
            return [run]
        }
        return try inParallel(index.shards.count, threads: threads) {
            number throws(StoreError) -> OrderedRun in
            let shard = ShardNumber(number)
            var run = OrderedRun()
            run.entries.reserveCapacity(
                Int(truncatingIfNeeded: index[shard, .items].loadRelaxed()))
            try index.forEachLocation(inShard: shard) { location throws(StoreError) in
                guard groups.segments.segment(of: location) != nil else {
                    throw RecordIndex.strayLocation
                }
                run.entries.append(Entry(prefix: 0, location: location))
            }
            run.distribute(groups.count) { groups.group(of: $0.location) }
            return run
        }
    }

    /// Reads what begins the keys behind what they share, a run for each group of segments.
    private func read(
        _ places: [OrderedRun], _ groups: SegmentGroups, behind shared: [UInt8], threads: Int
    ) throws(StoreError) -> [OrderedRun] {
        let faults = records.log.medium.faultCount
        let runs = try inParallel(groups.count, threads: threads) {
            group throws(StoreError) -> OrderedRun in
            var run = OrderedRun()
            run.entries = OrderedRun.entries(ofRange: group, in: places)
            try shared.withByteView { shared throws(StoreError) in
                try self.read(&run, behind: shared)
            }
            return run
        }
        if records.log.medium.faultCount != faults { throw RecordIndex.lostPage }
        return runs
    }

    private func read(_ run: inout OrderedRun, behind shared: ByteView) throws(StoreError) {
        run.shared = shared.count
        // Fetched once: a retain for each record would wait until the one before has come.
        let log = records.log
        let places = run.entries
        run.entries.removeAll(keepingCapacity: true)
        var others: [TableNumber: [Location]] = [:]
        defer { run.others = others }
        for (number, entry) in places.enumerated() {
            if number + Self.lookahead < places.count {
                log.prefetchRecord(at: places[number + Self.lookahead].location)
            }
            let prefix = try log.withRecord(at: entry.location) {
                record throws(StoreError) -> UInt64?? in
                guard record.knowsKey else { return nil }
                guard record.table == table else {
                    others[record.table, default: []].append(entry.location)
                    return .some(nil)
                }
                let common = shared.isEmpty ? 0 : record.key.commonPrefix(with: shared)
                run.shared = min(run.shared, common)
                return record.key.dropFirst(common).sortPrefix
            }
            guard let prefix else {
                run.unknown = log.damage(at: entry.location)
                continue
            }
            if let prefix {
                run.entries.append(Entry(prefix: prefix, location: entry.location))
            }
        }
        for entry in run.entries { trusted.insert(entry.location) }
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
        deeper.sortByPrefix()
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

/// Neighbouring segments that are read together: so few groups that each has some thousand records.
private struct SegmentGroups {
    let segments: Segments
    private var shift = 0
    var count: Int { (segments.count - 1) >> shift + 1 }

    init(_ segments: Segments, records: Int) {
        self.segments = segments
        while count > max(1, min(1024, records / 4096)) { shift += 1 }
    }

    @inline(__always)
    func group(of location: Location) -> Int {
        (segments.segment(of: location)?.rawValue ?? 0) >> shift
    }
}
