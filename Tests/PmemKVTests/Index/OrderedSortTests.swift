import CPmem
import Testing

@testable import PmemKV

@Suite("Sorting for the ordered index")
struct OrderedSortTests {
    private static let shapes: [@Sendable (Int) -> UInt64] = [
        { _ in .random(in: 0...UInt64.max) },
        // Keys that differ in their last bits, in their first ones, in both, and not at all.
        { UInt64(truncatingIfNeeded: $0 &* 7919 % 1000) },
        { UInt64(truncatingIfNeeded: $0 &* 7919 % 1000) << 54 },
        { UInt64(truncatingIfNeeded: $0 % 3) << 60 | UInt64.random(in: 0..<50) },
        { _ in .max },
        { UInt64(truncatingIfNeeded: -$0) },
    ]

    /// Keys whose eight bytes crowd into few of all values must come into the same order as those
    /// that are spread evenly: the digits that are sorted by are chosen by what differs.
    @Test(arguments: shapes.indices, [0, 1, 2, 32, 33, 500, 9000])
    func sortsAsAnyOtherSort(shape: Int, count: Int) {
        var entries = (0..<count).map {
            OrderedIndex.Entry(prefix: Self.shapes[shape]($0), units: UInt64($0))
        }
        let before = entries
        entries.sortByPrefix()
        #expect(entries.map(\.prefix) == before.map(\.prefix).sorted())
        #expect(Set(entries.map(\.units)).count == count)
        #expect(entries.allSatisfy { before[Int($0.units)].prefix == $0.prefix })
    }

    /// Each entry lands in the range that its splitters give it, ranges that are empty included.
    @Test func distributesByRanges() {
        let splitters: [UInt64] = [10, 10, 20, .max]
        var run = OrderedRun()
        run.entries = [0, 9, 10, 19, 20, .max - 1, .max].enumerated().map {
            OrderedIndex.Entry(prefix: $1, units: UInt64($0))
        }
        run.distribute(splitters.count + 1) {
            cpmem_count_not_above(splitters, splitters.count, $0.prefix)
        }
        let ranges = (0...splitters.count).map {
            OrderedRun.entries(ofRange: $0, in: [run]).map(\.prefix)
        }
        #expect(ranges == [[0, 9], [], [10, 19], [20, .max - 1], [.max]])
    }
}
