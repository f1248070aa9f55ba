import CPmem

/// Some of the entries that the ordered index is filled with, and how much of an expected beginning
/// their keys have in common.
struct OrderedRun {
    typealias Entry = OrderedIndex.Entry

    var entries: [Entry] = []
    /// The places of records that belong to other tables.
    var others: [TableNumber: [Location]] = [:]
    /// A record whose key cannot be told.
    var unknown: StoreError?
    /// How much of the expected beginning all keys have.
    var shared = 0
    /// Where the entries of each range begin, and the end of the last one.
    private var starts: [Int] = []

    /// Puts the entries of each of so many ranges side by side.
    @inline(__always)
    mutating func distribute(_ count: Int, _ rangeOf: (Entry) -> Int) {
        starts = [Int](repeating: 0, count: count + 1)
        // All empty arrays are one, and making one in place writes its count.
        guard !entries.isEmpty else { return }
        let ranges = entries.map { entry in
            let range = rangeOf(entry)
            starts[range + 1] &+= 1
            return UInt32(truncatingIfNeeded: range)
        }
        for range in 0..<count { starts[range + 1] &+= starts[range] }
        var next = starts
        let source = entries
        entries = unsafe [Entry](unsafeUninitializedCapacity: source.count) { target, count in
            for number in 0..<source.count {
                let range = Int(truncatingIfNeeded: ranges[number])
                unsafe target[next[range]] = source[number]
                next[range] &+= 1
            }
            count = source.count
        }
    }

    func entries(ofRange range: Int) -> ArraySlice<Entry> {
        entries[starts[range]..<starts[range + 1]]
    }

    /// The entries that several distributed runs have of one range.
    static func entries(ofRange range: Int, in runs: [OrderedRun]) -> [Entry] {
        var entries: [Entry] = []
        entries.reserveCapacity(runs.reduce(0) { $0 + $1.entries(ofRange: range).count })
        for run in runs { entries += run.entries(ofRange: range) }
        return entries
    }
}

extension OrderedIndex {
    /// A record and eight bytes of its key, as a number that orders alike.
    typealias Entry = cpmem_ordered_entry
}

extension cpmem_ordered_entry {
    @inline(__always)
    init(prefix: UInt64, location: Location) {
        self.init(prefix: prefix, units: location.units)
    }

    @inline(__always)
    var location: Location { Location(units: units) }
}

extension [OrderedIndex.Entry] {
    /// Sorts by the prefixes.
    mutating func sortByPrefix() {
        var room = self
        unsafe withUnsafeMutableBufferPointer { entries in
            unsafe room.withUnsafeMutableBufferPointer { room in
                unsafe cpmem_sort_entries(entries.baseAddress, room.baseAddress, entries.count)
            }
        }
    }
}
