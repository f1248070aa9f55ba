import Glibc
import Foundation
import Synchronization
import Testing

@testable import PmemKV

@Suite("Threads")
struct ConcurrencyTests {
    /// Four writers own disjoint keys, overwrite them while compaction runs, and two readers see
    /// only values that were written for that key, never going back.
    @Test(arguments: [IOPath.mapped, .syscalls])
    func readersSeeOnlyWhatWasWritten(io: IOPath) throws {
        let pool = TemporaryPool()
        let store = try pool.create(2 << 20, segmentSize: 16 << 10) { $0.io = io }
        let errors = SharedCount()
        let done = SharedCount()
        onThreads(6) { thread in
            if thread < 4 {
                for round in 0..<4000 {
                    let key = "key \(thread) \(round % 50)"
                    do {
                        try store.put("\(key) \(round)", forKey: key)
                    } catch {
                        Issue.record("\(error)")
                        errors.add()
                    }
                }
                done.add()
                return
            }
            var newest = [Int](repeating: -1, count: 200)
            while done.value < 4, errors.value == 0 {
                for number in 0..<200 {
                    let key = "key \(number / 50) \(number % 50)"
                    guard let value = try? store.get(key) else { continue }
                    let text = String(decoding: value, as: UTF8.self)
                    let round = Int(text.split(separator: " ").last ?? "") ?? -1
                    if !text.hasPrefix(key + " ") || round < newest[number] { errors.add() }
                    newest[number] = max(round, newest[number])
                }
            }
        }
        #expect(errors.value == 0)
        #expect(store.count == 200)
        store.abandon()
        let again = try pool.open()
        for number in 0..<200 {
            let key = "key \(number / 50) \(number % 50)"
            #expect(try again.get(key) == bytes("\(key) \(3950 + number % 50)"))
        }
    }

    /// All keys of a batch change at once: a reader that saw one new value sees no old one after.
    @Test func readersSeeBatchesWhole() throws {
        let store = try TemporaryPool().create(4 << 20)
        let errors = SharedCount()
        let done = SharedCount()
        let keys = (0..<8).map { "batch key \($0)" }
        onThreads(3) { thread in
            if thread == 0 {
                for round in 0..<4000 {
                    var batch = WriteBatch()
                    for key in keys { batch.put("\(round)", forKey: key) }
                    do { try store.apply(batch) } catch { errors.add() }
                }
                done.add()
                return
            }
            var seen = -1
            while done.value == 0 {
                for key in keys {
                    guard let value = try? store.get(key),
                        let round = Int(String(decoding: value, as: UTF8.self))
                    else { continue }
                    if round < seen { errors.add() }
                    seen = max(seen, round)
                }
            }
        }
        #expect(errors.value == 0)
    }

    @Test func updatesOfOneKeyFromManyThreadsAllCount() throws {
        let store = try TemporaryPool().create(4 << 20)
        onThreads(4) { _ in
            for _ in 0..<1000 {
                try? store.update("counter") { old in
                    let text = old?.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                    return .set(bytes("\((Int(text ?? "0") ?? 0) + 1)"))
                }
            }
        }
        #expect(try store.get("counter") == bytes("4000"))
    }

    /// Closing under load: every operation works or throws `closed`, and what was acknowledged
    /// is there.
    @Test(arguments: [IOPath.mapped, .syscalls])
    func closingWhileInUse(io: IOPath) throws {
        for _ in 0..<10 {
            let pool = TemporaryPool()
            let store = try pool.create(16 << 20) { $0.io = io }
            let written = SharedCount()
            onThreads(3) { thread in
                if thread == 2 {
                    usleep(3000)
                    #expect(throws: Never.self) { try store.close() }
                    return
                }
                var number = 0
                while true {
                    do {
                        try store.put("v", forKey: "\(thread) \(number)")
                        number += 1
                        written.add()
                        _ = try store.get("\(thread) 0")
                    } catch {
                        #expect((error as? StoreError)?.code == .closed)
                        return
                    }
                }
            }
            #expect(try pool.open().count == Int(written.value))
        }
    }

    /// Out of space, a writer once gave the compaction lock back that another one held by then, so
    /// that two compacted at once and counted, copied and freed the same extents.
    @Test func writersInAFullPoolLoseNothing() throws {
        let pool = TemporaryPool()
        let store = try pool.create(4 << 20, segmentSize: 64 << 10)
        let models = ModelSet(8)
        onThreads(8) { thread in
            var random = SystemRandomNumberGenerator()
            var model: [String: [UInt8]] = [:]
            for step in 0..<4000 {
                let key = "\(thread) \(Int.random(in: 0..<300, using: &random))"
                if step % 7 == 6 {
                    if (try? store.remove(key)) != nil { model[key] = nil }
                } else {
                    let value = [UInt8](
                        repeating: UInt8(truncatingIfNeeded: step),
                        count: Int.random(in: 0..<4000, using: &random))
                    if (try? store.put(value, forKey: key)) != nil { model[key] = value }
                }
            }
            models.set(thread, model)
        }
        let expected = models.all
        func compare(_ store: PmemStore) throws {
            #expect(store.count == expected.count)
            for (key, value) in expected { #expect(try store.get(key) == value) }
            #expect(try store.structure().miscountedExtents == 0)
        }
        try compare(store)
        store.abandon()
        let again = try pool.open()
        try compare(again)
        try again.close()
    }

    /// The writer of a batch longer than a segment counted itself out before readers could find
    /// what it wrote, and a close at that moment unmapped the pool under it.
    @Test func closingDuringLongBatches() throws {
        let keys = 20_000
        let batches = (0..<2).map { number in
            var batch = WriteBatch()
            for key in 0..<keys { batch.put("\(number)", forKey: "key \(key)") }
            return batch
        }
        for round in 0..<12 {
            let pool = TemporaryPool()
            let store = try pool.create(16 << 20, segmentSize: 64 << 10)
            let acknowledged = SharedCount()
            onThreads(2) { thread in
                if thread == 0 {
                    while acknowledged.value < 1 + round % 2 {}
                    usleep(UInt32(round) * 20)
                    try? store.close()
                    return
                }
                while (try? store.apply(batches[Int(acknowledged.value % 2)])) != nil {
                    acknowledged.add()
                }
            }
            let again = try pool.open()
            // The last batch that was acknowledged, or a whole one behind it.
            #expect(again.count == keys || again.count == 0 && acknowledged.value == 0)
            let last = try again.get("key 0")
            for key in 0..<keys where try again.get("key \(key)") != last {
                Issue.record("key \(key) is of another batch than key 0")
            }
            try again.close()
        }
    }
}

/// What each of several threads wrote, handed over when it is done.
private final class ModelSet: @unchecked Sendable {
    private let lock = NSLock()
    private var models: [[String: [UInt8]]]

    init(_ count: Int) { models = Array(repeating: [:], count: count) }

    func set(_ number: Int, _ model: [String: [UInt8]]) { lock.withLock { models[number] = model } }

    var all: [String: [UInt8]] {
        lock.withLock { models.reduce(into: [:]) { $0.merge($1) { _, new in new } } }
    }
}
