// Snapshots that live long: what they cost while they do, and that it comes back.
// PMEMKV_SNAPSHOT_OVERWRITES sets how much is overwritten meanwhile; ten million is the full
// length, for an optimised build.

import Foundation
import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Snapshots that live long", .serialized)
struct LongSnapshotTests {
    static let overwrites =
        getenv("PMEMKV_SNAPSHOT_OVERWRITES").flatMap { Int(String(cString: $0)) } ?? 50_000
    /// The process's memory says something then, and people read numbers.
    static let isLong = overwrites >= 1_000_000
    static let indexes: [IndexKind] = [.hash, .ordered]
    /// Each is overwritten fifty times.
    static let keys = max(1000, overwrites / 50)
    /// Of a record: header, key, and a value of 100 bytes, in whole lines.
    static let recordBytes = 192

    private func key(_ number: Int) -> String { "key \(10_000_000 + number)" }

    private func value(_ version: Int) -> [UInt8] {
        let digits = Array("\(version) ".utf8)
        return digits + [UInt8](repeating: 7, count: 100 - digits.count)
    }

    private func version(_ value: [UInt8]?) -> Int? {
        value.flatMap { Int(String(decoding: $0.prefix { $0 != 32 }, as: UTF8.self)) }
    }

    /// A store in which all keys have version 0, and room for so many records of each.
    private func store(_ index: IndexKind, recordsPerKey: Double) throws -> PmemStore {
        let mebibytes = Int(Double(Self.keys * Self.recordBytes) * recordsPerKey) >> 20
        let store = try TemporaryPool().create((mebibytes + 1) << 20, segmentSize: 64 << 10) {
            $0.index = index
        }
        for number in 0..<Self.keys { try store.put(value(0), forKey: key(number)) }
        return store
    }

    /// What a store and its process take.
    private struct Cost: CustomStringConvertible {
        let statistics: Statistics
        let largestValue: Int
        /// Of memory that belongs to no file, the pool's included.
        let anonymousBytes: Int

        init(of store: PmemStore) throws {
            try store.compact()
            statistics = store.statistics
            largestValue = try store.largestValue()
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = try #require(
                status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
            anonymousBytes = 1024 * (line.split(separator: " ").compactMap { Int($0) }.first ?? 0)
        }

        var description: String {
            """
            live \(statistics.liveBytes), kept \(statistics.keptBytes), free segments \
            \(statistics.freeSegments), largest value \(largestValue), index \
            \(statistics.indexBytes), anonymous memory \(anonymousBytes)
            """
        }
    }

    private func tell(_ what: String, _ before: Cost, _ during: Cost, _ after: Cost) {
        guard Self.isLong else { return }
        print("Snapshots, \(what)\nbefore: \(before)\nduring: \(during)\nafter: \(after)")
    }

    /// What a snapshot sees stays, however much is overwritten. It keeps one record of a key, not
    /// one of each overwrite, and when it ends pool and index are as they were.
    @Test(arguments: indexes)
    func answersAsThenAndGivesBackWhatItKept(index: IndexKind) throws {
        let store = try store(index, recordsPerKey: 3)
        var random = SplitMix(seed: 1)
        var newest = [Int](repeating: 0, count: Self.keys)
        let before = try Cost(of: store)
        let snapshot = try store.snapshot()
        for round in 1...Self.overwrites {
            let number = random.below(Self.keys)
            try store.put(value(round), forKey: key(number))
            newest[number] = round
            if round % (Self.overwrites / 100) == 0 {
                let number = random.below(Self.keys)
                try #require(version(snapshot.get(key(number))) == 0)
                try #require(version(store.get(key(number))) == newest[number])
            }
        }
        for reverse in [false, true] {
            var shown = 0
            try snapshot.scan(reverse: reverse) { _, bytes in
                if version(bytes.withByteView { $0.array }) == 0 { shown += 1 }
                return true
            }
            #expect(shown == Self.keys)
        }
        let during = try Cost(of: store)
        let overwritten = newest.count { $0 > 0 }
        #expect(during.statistics.keptBytes == overwritten * Self.recordBytes)
        // The table of what is kept was not counted: a forgotten snapshot's DRAM stood nowhere.
        let tableBytes = during.statistics.indexBytes - before.statistics.indexBytes
        #expect(tableBytes >= 48 * overwritten && tableBytes <= 200 * overwritten)
        snapshot.end()
        let after = try Cost(of: store)
        tell("one over \(Self.overwrites) overwrites, \(index)", before, during, after)
        #expect(after.statistics.keptBytes == 0 && after.statistics.snapshots == 0)
        #expect(after.statistics.liveBytes == before.statistics.liveBytes)
        #expect(after.largestValue >= before.largestValue - before.statistics.segmentBytes)
        #expect(after.statistics.indexBytes <= before.statistics.indexBytes)
        for (number, newest) in newest.enumerated() {
            try #require(version(store.get(key(number))) == newest)
        }
        #expect(store.orderedProblem() == nil)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// Snapshots are taken again and again and none is ended: the oldest end by themselves, no
    /// writer is refused, and those that live answer as then.
    @Test(arguments: indexes)
    func forgottenOnesWedgeNothing(index: IndexKind) throws {
        let store = try store(index, recordsPerKey: 3)
        let before = try Cost(of: store)
        var forgotten: [(snapshot: Snapshot, key: Int, version: Int)] = []
        var random = SplitMix(seed: 2)
        var newest = [Int](repeating: 0, count: Self.keys)
        for round in 1...Self.overwrites {
            let number = random.below(Self.keys)
            try store.put(value(round), forKey: key(number))
            newest[number] = round
            if round % (Self.keys / 2) == 0 {
                let number = random.below(Self.keys)
                forgotten.append((try store.snapshot(), number, newest[number]))
            }
        }
        var answers = 0
        for (snapshot, number, version) in forgotten {
            do throws(StoreError) {
                #expect(self.version(try snapshot.get(key(number))) == version)
                answers += 1
            } catch {
                #expect(error.code == .snapshotTooOld)
                // The oldest ones end first.
                #expect(answers == 0)
            }
        }
        #expect(answers > 0 && answers < forgotten.count)
        #expect(store.statistics.snapshots == answers)
        let during = try Cost(of: store)
        let count = forgotten.count
        forgotten.removeAll()
        let after = try Cost(of: store)
        tell("\(answers) of \(count) that live, \(index)", before, during, after)
        #expect(after.statistics.keptBytes == 0 && after.statistics.snapshots == 0)
        #expect(after.statistics.liveBytes == before.statistics.liveBytes)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// A full pool of many segments looked as though it could be packed, since none is full to its
    /// last byte. So before a snapshot ended each writer that found no segment read the summaries
    /// of all extents, twice, to see that packing gains nothing.
    @Test func beforeOneEndsThePoolIsNotReadAgainAndAgain() throws {
        let store = try TemporaryPool().create(4 << 20, segmentSize: 16 << 10) {
            $0.compactsInBackground = false
        }
        let keys = 1000
        let value = [UInt8](repeating: 1, count: 1000)
        for number in 0..<keys { try store.put(value, forKey: key(number)) }
        let space = store.engine.space
        var forgotten: [Snapshot] = []
        var random = SplitMix(seed: 4)
        for round in 0..<20_000 {
            if round % (keys / 2) == 0 { forgotten.append(try store.snapshot()) }
            try store.put(value, forKey: key(random.below(keys)))
        }
        let ended = forgotten.count - store.statistics.snapshots
        #expect(ended > 20)
        let each = space.summariesRead / max(1, ended)
        #expect(each < 2 * store.statistics.segments, "\(each) summaries for each end")
    }

    /// Two writers find the pool full of what a snapshot keeps at the same time: it ends, once,
    /// and both go on.
    @Test(arguments: indexes)
    func twoWritersAndASnapshotInAFullPool(index: IndexKind) throws {
        let store = try TemporaryPool().create(1 << 20, segmentSize: 16 << 10) {
            $0.index = index
        }
        let keys = 500
        let value = [UInt8](repeating: 1, count: 1000)
        for number in 0..<keys { try store.put(value, forKey: key(number)) }
        for _ in 0..<10 {
            let snapshot = try store.snapshot()
            onThreads(2) { thread in
                do {
                    for number in stride(from: thread, to: keys, by: 2) {
                        try store.put(value, forKey: key(number))
                    }
                    for number in stride(from: thread, to: keys, by: 2) {
                        try store.put(value, forKey: key(number))
                    }
                } catch {
                    Issue.record("\(error)")
                }
            }
            let error = #expect(throws: StoreError.self) { try snapshot.get(key(7)) }
            #expect(error?.code == .snapshotTooOld)
            let again = #expect(throws: StoreError.self) { try snapshot.scan { _, _ in true } }
            #expect(again?.code == .snapshotTooOld)
            #expect(store.statistics.keptBytes == 0)
        }
        #expect(store.count == keys)
        #expect(try store.structure().miscountedExtents == 0)
    }
}
