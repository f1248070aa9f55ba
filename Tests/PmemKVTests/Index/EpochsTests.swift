import Testing

@testable import PmemKV

@Suite("Epochs and parallel work")
struct EpochsTests {
    /// A reader lets the epoch move on once, and not again before it has left.
    @Test func aReaderHoldsTheEpochUp() {
        let epochs = Epochs()
        let start = epochs.now
        let inside = epochs.reading {
            (epochs.hasReaders, epochs.tryAdvance(), epochs.tryAdvance(), epochs.now)
        }
        #expect(inside == (true, true, false, start + 1))
        let after = (epochs.hasReaders, epochs.tryAdvance(), epochs.now)
        #expect(after == (false, true, start + 2))
    }

    @Test func aReaderThatThrowsHasLeft() {
        let epochs = Epochs()
        var isInside = false
        try? epochs.reading { () throws(StoreError) in
            isInside = epochs.hasReaders
            throw StoreError(.io, "no")
        }
        let remains = epochs.hasReaders
        #expect(isInside && !remains)
    }

    /// What readers may hold stays as it was, however much is retired meanwhile.
    @Test func retiredMemoryStaysWhileAReaderIsInside() {
        let retired = RetiredMemory()
        let epochs = Epochs()
        let held = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
        held.storeBytes(of: 0x5EED, as: UInt64.self)
        epochs.reading {
            retired.add(held, epochs)
            for _ in 0..<2000 {
                let other = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
                other.storeBytes(of: .max, as: UInt64.self)
                retired.add(other, epochs)
            }
            #expect(held.load(as: UInt64.self) == 0x5EED)
        }
    }

    @Test(arguments: [1, 4])
    func resultsComeInOrder(threads: Int) throws {
        let calls = SharedCount()
        let results = try inParallel(1000, threads: threads) { number throws(StoreError) in
            calls.add()
            return number * number
        }
        #expect(results == (0..<1000).map { $0 * $0 })
        #expect(calls.value == 1000)
        #expect(try inParallel(0, threads: threads) { number in number }.isEmpty)
    }

    @Test(arguments: [1, 4])
    func theLowestErrorIsThrown(threads: Int) {
        #expect {
            _ = try inParallel(100, threads: threads) { number throws(StoreError) in
                if number >= 40 { throw StoreError(.io, "number \(number)") }
            }
        } throws: {
            ($0 as? StoreError)?.description.contains("number 40") == true
        }
    }
}
