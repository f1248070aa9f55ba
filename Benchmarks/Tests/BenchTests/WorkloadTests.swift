import Testing

@testable import pmemkv_bench

/// What every figure rests on: keys in order, values that prove themselves, the same stream for
/// every engine.
@Suite struct WorkloadTests {
    private func bytes(_ codec: KeyCodec, _ index: Int, missing: Bool = false) -> [UInt8] {
        let buffer = UnsafeMutableRawPointer.allocate(
            byteCount: codec.bufferBytes, alignment: 8)
        defer { buffer.deallocate() }
        let size = codec.write(index, missing: missing, to: buffer)
        return Array(UnsafeRawBufferPointer(start: buffer, count: size))
    }

    @Test(arguments: ["4", "8", "16", "17", "8-40"])
    func keysSortByIndexAndMissingKeysLieBetween(_ size: String) throws {
        let codec = try KeyCodec(sizes: SizeDistribution(size)!)
        for index in [0, 1, 127, 128, 99_999] {
            let key = bytes(codec, index)
            let gap = bytes(codec, index, missing: true)
            let next = bytes(codec, index + 1)
            #expect(key.lexicographicallyPrecedes(gap))
            #expect(gap.lexicographicallyPrecedes(next))
            key.withUnsafeBytes { #expect(KeyCodec.index(of: $0) == index) }
        }
    }

    @Test(arguments: ["0", "3", "8", "200", "1-500"])
    func valuesMatchOnlyTheirKeyAndVersion(_ size: String) {
        let writer = ValueSource(sizes: SizeDistribution(size)!)
        let reader = ValueSource(sizes: SizeDistribution(size)!)
        defer {
            writer.deallocate()
            reader.deallocate()
        }
        for index in 0..<200 {
            var copy = Array(writer.value(index, version: 2))
            copy.withUnsafeBytes { #expect(reader.matches($0, index, version: 2)) }
            guard copy.count >= 16 else { continue }
            copy.withUnsafeBytes { #expect(!reader.matches($0, index, version: 3)) }
            copy.withUnsafeBytes { #expect(!reader.matches($0, index + 1, version: 2)) }
            copy[copy.count - 1] ^= 1
            copy.withUnsafeBytes { #expect(!reader.matches($0, index, version: 2)) }
        }
    }

    @Test func zipfianPrefersLowRanks() {
        let zipfian = Zipfian(items: 1000)
        var random = SplitMix(seed: 1)
        var counts = [Int](repeating: 0, count: 1000)
        for _ in 0..<100_000 { counts[zipfian.rank(&random)] += 1 }
        // With theta 0.99 and 1000 items the first rank takes about 13 %.
        #expect(counts[0] > 11_000 && counts[0] < 15_500)
        #expect(counts[0] > counts[1] && counts[1] > counts[10])
        #expect(counts.reduce(0, +) == 100_000)
    }

    @Test func fillsPutEveryKeyOnce() {
        for workload in [Workload.fillseq, .fillrandom] {
            let builder = StreamBuilder(keys: 1001, operationsPerThread: 5, threads: 3, seed: 9)
            let streams = builder.build(workload, version: 1, firstInsert: 1001)
            let indexes = streams.flatMap { $0.operations.map { Int($0.index) } }
            #expect(indexes.sorted() == Array(0..<1001))
        }
    }

    @Test func streamsRepeatExactly() {
        let builder = StreamBuilder(keys: 500, operationsPerThread: 300, threads: 2, seed: 3)
        for workload in Workload.allCases {
            let first = builder.build(workload, version: 1, firstInsert: 500)
            let second = builder.build(workload, version: 1, firstInsert: 500)
            for (one, two) in zip(first, second) {
                #expect(one.operations.map(\.index) == two.operations.map(\.index))
                #expect(one.operations.map(\.kind) == two.operations.map(\.kind))
            }
        }
    }

    @Test func latestReadsOnlyKeysThatAreThere() {
        let builder = StreamBuilder(keys: 200, operationsPerThread: 2000, threads: 2, seed: 5)
        for stream in builder.build(.ycsbD, version: 2, firstInsert: 200) {
            var there = Set(0..<200)
            for operation in stream.operations {
                if operation.kind == .put {
                    there.insert(Int(operation.index))
                } else {
                    #expect(there.contains(Int(operation.index)))
                }
            }
        }
    }

    @Test func expectedStateCountsLiveKeys() {
        var state = ExpectedState()
        for index in 0..<10 { state.set(index, 1) }
        state.set(3, 0)
        state.set(3, 0)
        state.set(4, 2)
        #expect(state.count == 9 && state.capacity == 10)
        #expect(state.versions[4] == 2)
    }
}
