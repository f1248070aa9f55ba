import Testing

@testable import pmemkv_bench

/// The check of scans must see every way in which a scan can go wrong.
@Suite struct ScanCheckTests {
    private let sizes = SizeDistribution("40")!

    /// Keys 0, 2, 3 and 5 exist, in version 1.
    private var state: ExpectedState {
        var state = ExpectedState()
        for index in [0, 2, 3, 5] { state.set(index, 1) }
        return state
    }

    /// Shows a scan these keys and returns what it found wrong.
    private func wrong(
        _ indexes: [Int], from: Int = 0, limit: Int = .max, version: UInt32 = 1,
        isOrdered: Bool = true
    ) throws -> Int {
        let codec = try KeyCodec(sizes: SizeDistribution("16")!)
        let source = ValueSource(sizes: sizes)
        let key = UnsafeMutableRawPointer.allocate(byteCount: codec.bufferBytes, alignment: 8)
        var check = ScanCheck(
            state: state, values: ValueSource(sizes: sizes), isOrdered: isOrdered)
        defer {
            source.deallocate()
            check.values.deallocate()
            key.deallocate()
        }
        check.beginScan(at: from)
        for index in indexes {
            let size = codec.write(index, to: key)
            check.visit(
                UnsafeRawBufferPointer(start: key, count: size),
                source.value(index, version: version))
        }
        check.endScan(limit: limit)
        #expect(check.visited == indexes.count)
        #expect((check.firstWrong == nil) == (check.wrong == 0))
        return check.wrong
    }

    @Test func rightScans() throws {
        #expect(try wrong([0, 2, 3, 5]) == 0)
        #expect(try wrong([2, 3], from: 1, limit: 2) == 0)
        #expect(try wrong([5], from: 4, limit: 10) == 0)
        #expect(try wrong([5, 0, 3, 2], isOrdered: false) == 0)
    }

    @Test func wrongScans() throws {
        // One left out, swapped, too few, too many, none that exists, an old value.
        #expect(try wrong([0, 3, 5]) > 0)
        #expect(try wrong([0, 3, 2, 5]) > 0)
        #expect(try wrong([0, 2, 3]) > 0)
        #expect(try wrong([0, 2, 3], limit: 2) > 0)
        #expect(try wrong([0, 1, 2, 3, 5]) > 0)
        #expect(try wrong([0, 2, 3, 5], version: 2) == 4)
        #expect(try wrong([0, 2, 3], isOrdered: false) > 0)
        #expect(try wrong([0, 2, 3, 7], isOrdered: false) > 0)
    }
}
