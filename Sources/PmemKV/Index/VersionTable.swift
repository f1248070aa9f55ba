/// A record that the index no longer names and a snapshot sees.
struct Version {
    let hash: KeyHash
    var location: Location
    let units: Units
    let sequence: SequenceNumber
    /// The number of the record, or the removal, that superseded it.
    let end: SequenceNumber
}

/// The kept records of one shard, by their hashes: some 70 bytes of DRAM each.
///
/// Invariant: every version in use is in the chain of its hash, all others are in the chain of free
/// ones.
final class VersionTable: @unchecked Sendable {
    private struct Entry {
        var version: Version
        var next: Int32
        var isUsed = true
    }

    private let words = SharedLines(1)
    private var lock: SpinLock { SpinLock(words[0]) }
    private var first: [KeyHash: Int32] = [:]
    private var entries: [Entry] = []
    private var firstFree: Int32 = none
    private static let none: Int32 = -1

    /// Bytes of DRAM. Locked.
    var memoryBytes: Int {
        let bucket = MemoryLayout<KeyHash>.stride + MemoryLayout<Int32>.stride
        // A dictionary fills three quarters of its buckets.
        return entries.capacity * MemoryLayout<Entry>.stride + first.capacity * 4 / 3 * bucket
    }

    func withLock<R>(_ body: (VersionTable) -> R) -> R { lock.withLock { body(self) } }

    func insert(_ version: Version) {
        let entry = Entry(version: version, next: first[version.hash] ?? Self.none)
        if firstFree == Self.none {
            first[version.hash] = Int32(entries.count)
            entries.append(entry)
        } else {
            let place = firstFree
            firstFree = entries[Int(place)].next
            entries[Int(place)] = entry
            first[version.hash] = place
        }
    }

    func move(_ hash: KeyHash, from old: Location, to new: Location) -> Bool {
        var place = first[hash] ?? Self.none
        while place != Self.none {
            if entries[Int(place)].version.location == old {
                entries[Int(place)].version.location = new
                return true
            }
            place = entries[Int(place)].next
        }
        return false
    }

    func versions(of hash: KeyHash) -> [Version] {
        var found: [Version] = []
        var place = first[hash] ?? Self.none
        while place != Self.none {
            found.append(entries[Int(place)].version)
            place = entries[Int(place)].next
        }
        return found
    }

    var all: [Version] { entries.filter(\.isUsed).map(\.version) }

    /// Takes out the version that stands at a location. O(versions of its hash).
    func remove(_ version: Version) {
        var before = Self.none
        var place = first[version.hash] ?? Self.none
        while place != Self.none, entries[Int(place)].version.location != version.location {
            before = place
            place = entries[Int(place)].next
        }
        guard place != Self.none else { return }
        let next = entries[Int(place)].next
        if before != Self.none {
            entries[Int(before)].next = next
        } else {
            first[version.hash] = next == Self.none ? nil : next
        }
        entries[Int(place)].isUsed = false
        entries[Int(place)].next = firstFree
        firstFree = place
        giveBackWhenEmpty()
    }

    /// Those of so many places of the table, from one on, that the condition holds for. `next` is
    /// where to go on; nil at the end.
    func versions(
        from start: Int, places: Int, where isWanted: (Version) -> Bool
    ) -> (found: [Version], next: Int?) {
        guard start < entries.count else { return ([], nil) }
        let end = min(entries.count, start + places)
        let found = entries[start..<end].filter { $0.isUsed && isWanted($0.version) }
        return (found.map(\.version), end < entries.count ? end : nil)
    }

    private func giveBackWhenEmpty() {
        guard first.isEmpty else { return }
        first = [:]
        entries = []
        firstFree = Self.none
    }
}
