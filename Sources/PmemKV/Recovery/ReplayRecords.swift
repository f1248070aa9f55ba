import CPmem

/// The records of an extent that are to be replayed, sorted by the parts of the index that they
/// belong to, and what they sum up to.
struct ReplayRecords: Sendable {
    let entries: EntrySlab
    /// Where each part begins there, and the last one ends.
    private let bounds: [Int]
    private(set) var puts = Units.zero
    private(set) var tombstones = Units.zero
    private(set) var maximumSequence = SequenceNumber.zero
    /// The lowest number of those that are replayed.
    private(set) var minimumSequence = SequenceNumber.none
    /// The hashes of one shard's records.
    private(set) var sample: [KeyHash] = []

    /// - Parameters:
    ///   - source: all records of the extent.
    ///   - covered: where those begin that are to be replayed.
    ///   - partBits: two to the power of this is the number of parts.
    ///   - first: where in the slab there is room for as many as there are.
    init(
        _ source: some RandomAccessCollection<SummaryEntry>, from covered: Units,
        _ shape: IndexShape, partBits: Int, to entries: EntrySlab, at first: Int
    ) {
        var starts = [Int](repeating: 0, count: 1 << partBits + 1)
        for entry in source {
            maximumSequence = max(maximumSequence, entry.number)
            guard entry.offset >= covered else { continue }
            minimumSequence = min(minimumSequence, entry.number)
            starts[shape.part(of: entry.hash, bits: partBits) + 1] += 1
            if entry.kind.isFound { puts += entry.units } else { tombstones += entry.units }
            if shape.shard(of: entry.hash) == shape.shards.lowerBound { sample.append(entry.hash) }
        }
        starts[0] = first
        for part in 1..<starts.count { starts[part] += starts[part - 1] }
        bounds = starts
        for entry in source where entry.offset >= covered {
            let part = shape.part(of: entry.hash, bits: partBits)
            // A page that was lost since the first pass reads otherwise now; nothing of it counts.
            guard starts[part] < bounds[part + 1] else { break }
            entries[starts[part]] = entry
            starts[part] += 1
        }
        self.entries = entries
    }

    var count: Int { bounds[bounds.count - 1] - bounds[0] }

    /// The places of a part's entries.
    func places(ofPart part: Int) -> Range<Int> { bounds[part]..<bounds[part + 1] }
}
