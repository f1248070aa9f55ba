import PmemPlaces
import Testing

@testable import PmemKV

/// No argument that a caller can get wrong traps: it is an error with a code, or an answer.
@Suite("Arguments")
struct ArgumentTests {
    private static let numbers = [Int.min, Int.min + 1, -4096, -1, 0, 1, 1000, Int.max - 1, .max]

    private func code<R>(_ body: () throws -> R) -> StoreError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    /// The lowest number once trapped where the segment table was subtracted from it.
    @Test func impossibleSizesAreRefused() throws {
        let source = TemporaryPool()
        try source.create(1 << 20).close()
        for number in Self.numbers {
            let pool = TemporaryPool()
            #expect(
                code { try PmemStore.create(at: pool.path, options: CreateOptions(size: number)) }
                    == .invalidArgument)
            #expect(
                code {
                    try PmemStore.create(
                        at: pool.path,
                        options: CreateOptions(size: 1 << 20, segmentSize: number))
                } == .invalidArgument)
            #expect(
                code { try PmemStore.repair(at: source.path, to: pool.path, size: number) }
                    == .invalidArgument)
            #expect(code { try PmemStore.open(at: pool.path) } == .notFound)
        }
    }

    @Test func placesThatAreNoneAreRefused() {
        let long = "/dev/shm/" + String(repeating: "x", count: 5000)
        for path in [
            "", "/", "/dev/shm", "/dev/null", "/no such/pool", long, "/dev/shm/\u{0}",
        ] {
            let options = CreateOptions(size: 1 << 20)
            #expect(code { try PmemStore.create(at: path, options: options) } != nil, "\(path)")
            #expect(code { try PmemStore.open(at: path) } != nil, "\(path)")
            #expect(code { try PmemStore.check(at: path) } != nil, "\(path)")
            let target = TemporaryPool()
            #expect(code { try PmemStore.repair(at: path, to: target.path) } != nil, "\(path)")
            _ = PlaceReport.examine(path)
            _ = PlaceFacts.inspect(path: path)
            _ = try? DurabilityDecision(mappedAt: path, isPmem: false)
            if let store = try? target.create(1 << 20) {
                #expect(code { try store.backup(to: path) } != nil, "\(path)")
                #expect(code { try store.backup(to: target.path) } != nil)
            }
        }
        for number in Self.numbers { _ = NodeFacts().distance(to: number) }
    }

    @Test(arguments: IndexKind.allCases, [IOPath.mapped, .syscalls])
    func oddKeysAndValues(index: IndexKind, io: IOPath) throws {
        let store = try TemporaryPool().create(1 << 20) { ($0.index, $0.io) = (index, io) }
        for key in [[], [UInt8](repeating: 1, count: 65_537), .init(repeating: 1, count: 1 << 20)] {
            #expect(code { try store.put("", forKey: key) } == .invalidArgument)
            #expect(code { try store.get(key) } == .invalidArgument)
            #expect(code { try store.contains(key) } == .invalidArgument)
            #expect(code { try store.remove(key) } == .invalidArgument)
            #expect(code { try store.withValue(forKey: key) { _ in } } == .invalidArgument)
            #expect(code { try store.update(key) { _ in .keep } } == .invalidArgument)
            #expect(
                code { try store.compareAndSet(key, expected: nil, to: nil) } == .invalidArgument)
            var puts = WriteBatch()
            puts.put("", forKey: key)
            #expect(code { try store.apply(puts) } == .invalidArgument)
            var removes = WriteBatch()
            removes.remove(key)
            #expect(code { try store.apply(removes) } == .invalidArgument)
            let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            #expect(code { try store.get(key, into: nothing) } == .invalidArgument)
        }
        #expect(code { try store.apply(WriteBatch()) } == nil)
        let long = [UInt8](repeating: 1, count: 2 << 20)
        #expect(code { try store.put(long, forKey: "long") } == .outOfSpace)
        #expect(code { try store.update("long") { _ in .set(long) } } == .outOfSpace)
        var batch = WriteBatch()
        batch.put(long, forKey: "long")
        #expect(code { try store.apply(batch) } == .outOfSpace)
        let zero: [UInt8] = [0]
        try store.put("", forKey: zero)
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        #expect(try store.get(zero, into: nothing) == 0)
        #expect(store.count == 1)
    }

    /// Every range and limit, however odd, shows what lies in it.
    @Test(arguments: IndexKind.allCases)
    func oddRanges(index: IndexKind) throws {
        let store = try TemporaryPool().create(1 << 20) { $0.index = index }
        let keys: [[UInt8]] = [
            [0], [0, 0], [97], [97, 255], [255], [255, 255], [255, 255, 255, 1],
        ]
        for key in keys { try store.put("value", forKey: key) }
        let bounds: [[UInt8]?] = [
            nil, [], [0], [97], [97, 255], [255], [255, 255], .init(repeating: 255, count: 70_000),
        ]
        var ranges: [KeyRange] = []
        for from in bounds {
            for to in bounds { ranges.append(KeyRange(from: from, to: to)) }
            ranges.append(.prefix(from ?? []))
        }
        ranges += ranges.indices.map { ranges[$0].intersection(ranges[($0 * 31) % ranges.count]) }
        for range in ranges {
            let within = keys.filter { key in key.withByteView { range.contains($0) } }
            for reverse in [false, true] {
                for limit in Self.numbers + [2] {
                    var shown: [[UInt8]] = []
                    let code = code {
                        try store.scan(range, reverse: reverse, limit: limit) { key, _ in
                            shown.append(key.withUnsafeBytes { Array($0) })
                            return true
                        }
                    }
                    #expect(code == (limit < 0 ? .invalidArgument : nil))
                    let wanted = (reverse ? within.reversed() : within).prefix(max(limit, 0))
                    #expect(shown == Array(wanted))
                }
            }
        }
    }
}
