import Foundation
import Testing

@testable import PmemKV

/// Copies of pools that are filled to the brim.
@Suite("Copies of full pools")
struct FullCopyTests {
    /// How a pool is filled.
    struct Mix: Sendable, CustomTestStringConvertible {
        var name: String
        /// Lengths of values, in segments.
        var lengths: [Double]
        /// Records written together.
        var batch = 1
        var segments = [4, 7, 32, 200]

        var testDescription: String { name }
    }

    static let mixes = [
        Mix(name: "short values", lengths: [0.01, 0.05]),
        Mix(name: "values that leave room", lengths: [0.33, 0.61]),
        Mix(name: "a segment and a half", lengths: [0.46, 0.53, 1.5], segments: [32, 200]),
        Mix(name: "long values", lengths: [0.02, 2.3, 7.1], segments: [32, 200]),
        Mix(name: "batches", lengths: [0.02, 0.1, 0.4], batch: 12, segments: [32, 200]),
    ]

    private static let segmentSize = 4096

    /// A backup put key after key in the order of the index; in a pool filled to the brim what had
    /// fitted side by side did not fit any more, and the backup threw `outOfSpace`. So did a
    /// repair.
    @Test("A pool filled to the brim is backed up and repaired in its own size", arguments: mixes)
    func full(mix: Mix) throws {
        for segments in mix.segments {
            let size = Geometry.leastPoolSize(segments: segments, segmentSize: Self.segmentSize)
            let pool = TemporaryPool()
            let store = try pool.create(size, segmentSize: Self.segmentSize)
            #expect(store.statistics.segments == segments)
            var generator = Generator(state: UInt64(segments))
            fill(store, mix, &generator)
            let copy = TemporaryPool()
            try store.backup(to: copy.path)
            try expectSame(copy, store)
            try expectLeastSize(store)
            let contents = try Self.contents(store)
            try store.close()
            let repaired = TemporaryPool()
            let report = try PmemStore.repair(at: pool.path, to: repaired.path)
            #expect(report.isComplete && report.keys == contents.count)
            let found = try repaired.open()
            #expect(try Self.contents(found) == contents)
            try found.close()
        }
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 29) &* 0xBF58_476D_1CE4_E5B9
        }
    }

    /// New keys, some removed again, until nothing fits; then ever shorter ones.
    private func fill(_ store: PmemStore, _ mix: Mix, _ generator: inout Generator) {
        var number = 0
        var failures = 0
        while failures < 60 {
            var batch = WriteBatch()
            for _ in 0..<Int.random(in: 1...mix.batch, using: &generator) {
                let length = mix.lengths.randomElement(using: &generator)!
                let value = [UInt8](
                    repeating: UInt8(truncatingIfNeeded: number),
                    count: Int(length * Double(Self.segmentSize)))
                batch.put(value, forKey: "key \(number)")
                number += 1
            }
            if number % 7 == 0 {
                batch.remove("key \(Int.random(in: 0..<number, using: &generator))")
            }
            do throws(StoreError) {
                try store.apply(batch)
            } catch {
                #expect(error.code == .outOfSpace)
                failures += 1
            }
        }
        for length in [2000, 1000, 400, 100, 20] {
            let value = [UInt8](repeating: 1, count: length)
            while (try? store.put(value, forKey: "key \(number)")) != nil { number += 1 }
        }
    }

    private static func contents(_ store: PmemStore) throws -> [[UInt8]: [UInt8]] {
        var contents: [[UInt8]: [UInt8]] = [:]
        try store.scan { key, value in
            contents[key.withUnsafeBytes(Array.init)] = value.withUnsafeBytes(Array.init)
            return true
        }
        return contents
    }

    private func expectSame(_ copy: TemporaryPool, _ store: PmemStore) throws {
        #expect(try PmemStore.check(at: copy.path).isSound)
        let found = try copy.open()
        #expect(try Self.contents(found) == Self.contents(store))
        let structure = try found.structure()
        #expect(structure.lost == 0 && structure.miscountedExtents == 0)
        #expect(structure.free >= (try store.structure().free))
        // It is a pool like any other.
        try found.remove(Self.contents(found).keys.first!)
        try found.close()
    }

    /// One that is too small is refused with the least size; of that size it holds everything, and
    /// can be worked with.
    private func expectLeastSize(_ store: PmemStore) throws {
        let copy = TemporaryPool()
        let tooSmall = Geometry.leastPoolSize(segments: 4, segmentSize: Self.segmentSize)
        guard store.statistics.segments > 7 else { return }
        do throws(StoreError) {
            try store.backup(to: copy.path, size: tooSmall)
            Issue.record("a full pool in \(tooSmall) bytes")
        } catch {
            #expect(error.code == .outOfSpace && access(copy.path, F_OK) != 0)
            let words = error.message.split(separator: " ")
            let least = try #require(words.dropLast().last.flatMap { Int($0) })
            #expect(least <= store.statistics.poolBytes)
            try store.backup(to: copy.path, size: least)
            try expectSizedCopy(copy, store)
            let larger = TemporaryPool()
            try store.backup(to: larger.path, size: store.statistics.poolBytes * 2)
            try expectSame(larger, store)
        }
    }

    private func expectSizedCopy(_ copy: TemporaryPool, _ store: PmemStore) throws {
        let found = try copy.open()
        #expect(try Self.contents(found) == Self.contents(store))
        try found.close()
    }
}
