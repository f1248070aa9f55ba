// What a pool has room for, and whether it can be used.

import Foundation
import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Space")
struct SpaceTests {
    func fill(_ store: PmemStore, _ body: (Int) throws(StoreError) -> Void) throws -> Int {
        var count = 0
        do throws(StoreError) {
            while true {
                try body(count)
                count += 1
            }
        } catch {
            guard error.code == .outOfSpace else { throw error }
        }
        return count
    }

    /// Batches took an extent each, and left up to 44 % of a pool unusable that single puts of the
    /// same records could use.
    @Test(arguments: [3, 40, 190, 300, 1100])
    func batchesFillAPoolAsSinglePutsDo(length: Int) throws {
        let value = [UInt8](repeating: 7, count: 200)
        let single = try TemporaryPool().create(4 << 20, segmentSize: 64 << 10)
        let singles = try fill(single) { number throws(StoreError) in
            try single.put(value, forKey: "key \(number)")
        }
        let store = try TemporaryPool().create(4 << 20, segmentSize: 64 << 10)
        let batches = try fill(store) { number throws(StoreError) in
            var batch = WriteBatch()
            for key in 0..<length { batch.put(value, forKey: "key \(number * length + key)") }
            try store.apply(batch)
        }
        #expect(store.count == batches * length)
        // Less than one more batch.
        #expect((batches + 1) * length > singles * 93 / 100)
    }

    /// How many segments records take was reckoned for their worst order, and puts were refused on
    /// that ground alone: once half of what lived had been removed, here and there, a pool took a
    /// quarter fewer records than when it was new, unless somebody called compact().
    @Test(arguments: [5, 17, 300])
    func whatFitsAfterCompactionIsTaken(length: Int) throws {
        let store = try TemporaryPool().create(300_000, segmentSize: 1024) {
            $0.engine.heads = 3
            // Which records come together is to depend on the writer alone.
            $0.compactsInBackground = false
        }
        let values = [[UInt8](repeating: 7, count: length), [UInt8](repeating: 7, count: 233)]
        func fillMore(_ name: String) throws -> Int {
            try fill(store) { number throws(StoreError) in
                try store.put(values[number % 2], forKey: "\(name) \(number + 10_000)")
            }
        }
        let new = try fillMore("new")
        var removed = 0
        for number in 0..<new where number * 7 % 11 < 5 {
            try store.remove("new \(number + 10_000)")
            removed += 1
        }
        let more = try fillMore("more")
        try store.compact()
        let afterwards = try fillMore("afterwards")
        #expect(more > removed * 8 / 10)
        #expect(afterwards <= 8)
    }

    /// A full pool of batches refused every remove, put and compaction for ever: an extent was
    /// moved whole or not at all.
    @Test func aFullPoolOfBatchesTakesRemovesAndPuts() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, segmentSize: 64 << 10)
        let value = [UInt8](repeating: 7, count: 4000)
        let batches = try fill(store) { number throws(StoreError) in
            var batch = WriteBatch()
            for key in 0..<40 { batch.put(value, forKey: "key \(number * 40 + key)") }
            try store.apply(batch)
        }
        var removed = 0
        for key in stride(from: 0, to: batches * 40, by: 2) {
            #expect(try store.remove("key \(key)"))
            removed += 1
        }
        var again = 0
        while (try? store.put(value, forKey: "again \(again)")) != nil { again += 1 }
        #expect(again > removed * 9 / 10)
        try store.close()
        #expect(try PmemStore.check(at: pool.path).isSound)
    }

    /// A value longer than a segment was refused in a pool that was half empty while somebody read:
    /// the segments side by side were empty, and only waited for a reader to go.
    @Test func aLongValueWaitsForReaders() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, segmentSize: 16 << 10)
        let value = [UInt8](repeating: 1, count: 250)
        let keys = try fill(store) { number throws(StoreError) in
            try store.put(value, forKey: "key \(number)")
        }
        for key in 0..<keys where key * 7919 % 97 < 54 { try store.remove("key \(key)") }
        let stop = SharedCount()
        // As one does that loses its processor in the middle of a get.
        let reader = Thread {
            while stop.value == 0 { _ = store.engine.records.epochs.reading { usleep(2000) } }
            stop.add()
        }
        reader.start()
        let long = [UInt8](repeating: 2, count: 26_000)
        for round in 0..<200 {
            for number in 0..<20 {
                try store.put(value, forKey: "other \((round * 20 + number) % 300)")
            }
            try store.put(long, forKey: "long \(round % 3)")
        }
        stop.add()
        while stop.value < 2 { sched_yield() }
        try store.close()
    }

    /// With all keys deleted a value of most of the pool was refused: the index checkpoint stood in
    /// the middle, and was neither moved nor given up.
    @Test(arguments: [0, 1, 3])
    func theLargestValueIsTakenAndALargerOneNot(kept: Int) throws {
        let pool = TemporaryPool()
        let threshold = { (options: inout OpenOptions) in options.engine.checkpointThreshold = 1 }
        var store = try pool.create(8 << 20, segmentSize: 64 << 10, threshold)
        let keys = try fill(store) { number throws(StoreError) in
            let length = number * 7919 % 3000
            try store.put([UInt8](repeating: 1, count: length), forKey: "key \(number)")
        }
        try store.close()
        store = try pool.open(threshold)
        var live = 0
        for key in 0..<keys {
            if kept > 0, key % kept == 0, key < keys / 2 {
                live += try store.get("key \(key)")!.count + 128
            } else {
                try store.remove("key \(key)")
            }
        }
        let largest = try store.largestValue()
        // All room but for what lives, packed, the reserves, and a segment that is not full.
        #expect(largest > store.statistics.segments * 65_536 - live * 105 / 100 - 4 * 65_536)
        let error = #expect(throws: StoreError.self) {
            try store.put([UInt8](repeating: 2, count: largest + 1), forKey: "big")
        }
        #expect(error?.code == .outOfSpace)
        #expect(error?.description.contains("\(largest) bytes") == true)
        try store.put([UInt8](repeating: 2, count: largest), forKey: "big")
        #expect(try store.get("big")?.count == largest)
        #expect(try store.largestValue() <= 4 * 65_536)
        #expect(try store.remove("big"))
        let again = try store.largestValue()
        #expect(again >= largest)
        try store.close()
        // What a reader of the pool is told is what a writer finds.
        store = try pool.open { $0.readOnly = true }
        #expect(try store.largestValue() == again)
        try store.close()
        #expect(try PmemStore.check(at: pool.path).isSound)
    }

    /// Extents that were not full, as every crash seals some, were merged only where two of them
    /// fitted one segment: two thirds full, they kept a third of the pool for ever.
    @Test func extentsThatAreNotFullAreMerged() throws {
        let value = [UInt8](repeating: 7, count: 1000)
        var store = try TemporaryPool().create(4 << 20, segmentSize: 64 << 10)
        let whole = try fill(store) { number throws(StoreError) in
            try store.put(value, forKey: "key \(number)")
        }
        let crashing = TemporaryPool()
        store = try crashing.create(4 << 20, segmentSize: 64 << 10)
        var count = 0
        while count < whole * 6 / 10 {
            for _ in 0..<40 {
                try store.put(value, forKey: "key \(count)")
                count += 1
            }
            store.abandon()
            store = try crashing.open()
        }
        count += try fill(store) { number throws(StoreError) in
            try store.put(value, forKey: "more \(number)")
        }
        #expect(count > whole * 95 / 100)
    }
}

extension SpaceTests {
    /// A batch took an extent for the tombstone of a key longer than a segment, found that the key
    /// was absent, and wrote its long value into that extent, and over the segments behind.
    @Test func aLongKeyThatIsAbsentLeavesItsExtentAlone() throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 4096)
        for key in 0..<150 {
            try store.put([UInt8](repeating: UInt8(key), count: 1000), forKey: "key \(key)")
        }
        var batch = WriteBatch()
        batch.remove([UInt8](repeating: 0x6B, count: 9000))
        batch.put([UInt8](repeating: 1, count: 30_000), forKey: "big")
        batch.put([UInt8](repeating: 2, count: 20_000), forKey: "less big")
        try store.apply(batch)
        func verify(_ store: PmemStore) throws {
            #expect(try store.get("big") == [UInt8](repeating: 1, count: 30_000))
            #expect(try store.get("less big") == [UInt8](repeating: 2, count: 20_000))
            for key in 0..<150 {
                #expect(try store.get("key \(key)")?.first == UInt8(key))
            }
        }
        try verify(store)
        let free = store.statistics.freeSegments
        try store.close()
        #expect(try PmemStore.check(at: pool.path).isSound)
        let again = try pool.open()
        try verify(again)
        #expect(again.statistics.freeSegments == free)
    }

    /// A full pool was said to have room for a value that the next put was refused: the number came
    /// from extents that no writer continues, and a refused put moved things about.
    @Test func whatIsSaidOfAFullPoolHolds() throws {
        let pool = TemporaryPool()
        var store = try pool.create(300_000, segmentSize: 64 << 10)
        func put(_ key: String, _ length: Int) -> Bool {
            (try? store.put([UInt8](repeating: 3, count: length), forKey: key)) != nil
        }
        #expect(put("k0", 10_481) && put("k1", 54_562))
        try store.remove("k1")
        #expect(put("k3", 33_135))
        for round in 0..<3 {
            let largest = try store.largestValue()
            #expect(!put("more", largest + 1))
            #expect(try store.largestValue() == largest)
            try store.close()
            store = try pool.open { $0.readOnly = true }
            let told = try store.largestValue()
            try store.close()
            store = try pool.open()
            #expect(try store.largestValue() == told)
            #expect(!put("more", told + 1))
            if told > 0 { #expect(put("k\(round)", told)) }
        }
    }

    /// Each put that a full pool refused read the summaries of all extents, three times over, and
    /// again behind each removal: 0.3 s at 512 MiB. What was found out about an extent is kept
    /// until something dies in it, and has to stay what reading would find.
    @Test func whatIsKnownOfAFullPoolIsWhatItsSummariesSay() throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 16 << 10) {
            $0.compactsInBackground = false
        }
        let space = store.engine.space
        var random = SplitMix(seed: 11)
        var keys: [String] = []
        for round in 0..<60 {
            let length = Int.random(in: 0...900, using: &random)
            let value = [UInt8](repeating: 7, count: length)
            var added = 0
            _ = try fill(store) { number throws(StoreError) in
                try store.put(value, forKey: "key \(round) \(number)")
                added += 1
            }
            keys += (0..<added).map { "key \(round) \($0)" }
            let sealed = space.segments.all.filter {
                space.segments.phase($0) == .sealed && space.liveness.liveUnits($0) > .zero
            }
            #expect(!sealed.isEmpty && sealed.allSatisfy { space.knownRecords(of: $0) != nil })
            let known = try store.largestValue()
            space.known.forgetAll()
            #expect(try store.largestValue() == known)
            for _ in 0..<(round % 7 * 12) {
                let key = keys.remove(at: Int.random(in: 0..<keys.count, using: &random))
                #expect(try store.remove(key))
            }
            if round % 9 == 8 { try store.compact() }
        }
    }

    /// No segment is full to its last byte, so by the sums a full pool of many segments could
    /// always be packed. Each put that found no segment read the summaries of all extents to see
    /// that it could not, twice: 65 ms behind each removal at 128 MiB. What lives in an extent is
    /// known, in its order, until something dies in it.
    @Test func aFullPoolIsNotReadAgainForEachPut() throws {
        let store = try TemporaryPool().create(4 << 20, segmentSize: 16 << 10) {
            $0.compactsInBackground = false
        }
        let value = [UInt8](repeating: 7, count: 1000)
        let count = try fill(store) { number throws(StoreError) in
            try store.put(value, forKey: "key \(number)")
        }
        let space = store.engine.space
        let before = space.summariesRead
        var random = SplitMix(seed: 3)
        let rounds = 200
        for _ in 0..<rounds {
            let key = "key \(random.below(count))"
            _ = try store.remove(key)
            _ = try? store.put(value, forKey: key)
        }
        let read = space.summariesRead - before
        #expect(read < 4 * rounds, "\(read) of \(store.statistics.segments) segments")
    }

    /// Records of one length are placed together as they are one by one.
    @Test func recordsArePlacedTogetherAsOneByOne() {
        var random = SplitMix(seed: 5)
        for _ in 0..<1000 {
            let segment = Units(16 + random.below(256))
            var together = ExtentRoom(
                capacity: random.below(3) == 0 ? .zero : segment, position: .zero)
            var single = together
            var taken = (together: 0, single: 0)
            for _ in 0..<5 {
                let units = Units(1 + random.below(segment.count / 2))
                let count = random.below(100)
                taken.together += together.place(units, count: count, segment)
                for _ in 0..<count where single.place(units, segment) { taken.single += 1 }
                #expect(taken.together == taken.single)
                #expect(together.position == single.position && together.rest == single.rest)
            }
        }
    }

    /// Behind a clean close, whose checkpoint counts what lives and not what died, all records of
    /// an extent were taken for live ones: values were refused that fitted.
    @Test(arguments: [4096, 16384], [3, 9])
    func aPoolHasTheSameRoomWhenItIsOpenedAgain(segmentSize: Int, removing: Int) throws {
        let pool = TemporaryPool()
        func options(_ options: inout OpenOptions) {
            options.compactsInBackground = false
            options.engine.checkpointThreshold = 1
        }
        let store = try pool.create(1 << 20, segmentSize: segmentSize) { options(&$0) }
        var random = SplitMix(seed: UInt64(removing))
        var count = 0
        while store.statistics.freeSegments > store.statistics.segments * 3 / 10 {
            let length = Int.random(in: 0...300, using: &random)
            try store.put([UInt8](repeating: 1, count: length), forKey: "k\(count)")
            count += 1
        }
        for number in stride(from: 0, to: count, by: removing) { try store.remove("k\(number)") }
        let largest = try store.largestValue()
        try store.close()
        let again = try pool.open { options(&$0) }
        #expect(again.recoveryReport.usedCheckpoint)
        // The checkpoint takes segments, and gives them back when they are needed.
        #expect(try again.largestValue() >= largest - 16 * segmentSize)
        try again.put([UInt8](repeating: 2, count: largest - 64), forKey: "long")
    }

    /// Removing each key from the body of its own scan waited for that very body, seconds in all.
    @Test func aRemovalInsideABodyDoesNotWaitForThatBody() throws {
        let store = try TemporaryPool().create(200_000, segmentSize: 16 << 10) {
            $0.engine.readerPatience = .max
        }
        let keys = try fill(store) { number throws(StoreError) in
            try store.put([UInt8](), forKey: "key \(number)")
        }
        var removed = 0
        try store.scan { key, _ in
            let key = key.withUnsafeBytes(Array.init)
            if (try? store.remove(key)) == true { removed += 1 }
            return true
        }
        #expect(removed == keys && store.count == 0)
    }
}
