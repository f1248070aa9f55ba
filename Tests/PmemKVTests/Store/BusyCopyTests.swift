// Copies of a pool that is written to.

import Foundation
import PmemKVTesting
import Synchronization
import Testing

@testable import PmemKV

@Suite("Copies of busy pools")
struct BusyCopyTests {
    private static let keys = 20_000

    private static func value(_ version: Int) -> [UInt8] {
        Array("\(version) ".utf8) + [UInt8](repeating: 7, count: 190)
    }

    /// A copy kept all that was superseded from being reused until it was complete: writers of a
    /// pool that was more than half full waited for it, or met a full one. Now they reuse what has
    /// been copied.
    @Test func writersGoOnBesideACopyOfOneMoment() throws {
        let store = try TemporaryPool().create(8 << 20, segmentSize: 64 << 10) {
            // However slow the machine is, nobody gives up.
            $0.engine.readerPatience = .max
        }
        for key in 0..<Self.keys { try store.put(Self.value(0), forKey: "key \(key)") }
        let isDone = Atomic(false)
        let failures = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 2) { thread in
            do {
                if thread == 0 {
                    defer { isDone.store(true, ordering: .releasing) }
                    for _ in 0..<2 { try expectOneMoment(store) }
                } else {
                    var version = 0
                    while !isDone.load(ordering: .acquiring) {
                        version += 1
                        for key in 0..<Self.keys {
                            try store.put(Self.value(version), forKey: "key \(key)")
                        }
                    }
                }
            } catch {
                failures.add(1, ordering: .relaxed)
            }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// Keys are overwritten in their order: at one moment there is at most one step in the
    /// versions, by one.
    private func expectOneMoment(_ store: PmemStore) throws {
        let pool = TemporaryPool()
        try store.backup(to: pool.path)
        let copy = try pool.open()
        #expect(copy.count == Self.keys)
        var versions: [Int] = []
        for key in 0..<Self.keys {
            let value = try #require(try copy.get("key \(key)"))
            let version = try #require(
                Int(String(decoding: value.prefix { $0 != 32 }, as: UTF8.self)))
            #expect(value == Self.value(version))
            versions.append(version)
        }
        let steps = zip(versions, versions.dropFirst()).filter { $0 != $1 }
        #expect(steps.count <= 1 && steps.allSatisfy { $0 == $1 + 1 })
        try copy.close()
    }

    /// A copy that does not get ahead, on a slow disk, ends before a writer meets a full pool.
    @Test func aCopyThatStandsStillEndsBeforeAWriterIsRefused() throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 16 << 10) {
            $0.engine.readerPatience = 20
        }
        for key in 0..<4000 { try store.put(Self.value(0), forKey: "key \(key)") }
        let (locations, held) = try store.engine.space.beginCopy()
        defer { store.engine.space.end(held) }
        #expect(locations.count == 4000)
        for version in 1...4 {
            for key in 0..<4000 { try store.put(Self.value(version), forKey: "key \(key)") }
        }
        let error = #expect(throws: StoreError.self) { try held.check() }
        #expect(error?.code == .snapshotTooOld)
    }

    /// The same where it was asked to hold writers back: puts are refused until it is done,
    /// removals go on, and what was to be copied is still there.
    @Test func aCopyMayHoldWritersBack() throws {
        let store = try TemporaryPool().create(2 << 20, segmentSize: 16 << 10) {
            $0.engine.readerPatience = 20
        }
        for key in 0..<4000 { try store.put(Self.value(0), forKey: "key \(key)") }
        let (_, held) = try store.engine.space.beginCopy(holdingWritersFor: .seconds(1000))
        func overwriteAll() -> StoreError.Code? {
            for version in 1...4 {
                for key in 0..<4000 {
                    do throws(StoreError) {
                        try store.put(Self.value(version), forKey: "key \(key)")
                    } catch {
                        return error.code
                    }
                }
            }
            return nil
        }
        #expect(overwriteAll() == .heldBack)
        for key in 0..<100 { #expect(try store.remove("key \(key)")) }
        try held.check()
        store.engine.space.end(held)
        #expect(overwriteAll() == nil)
        // One that holds nobody, or no longer, ends as ever.
        let (_, another) = try store.engine.space.beginCopy(holdingWritersFor: .zero)
        defer { store.engine.space.end(another) }
        #expect(overwriteAll() == nil)
        #expect(throws: StoreError.self) { try another.check() }
    }

    /// A whole backup of a pool in which nothing is free but what its writer gives up.
    @Test func aBackupThatHoldsWritersBackComesToItsEnd() throws {
        let store = try TemporaryPool().create(4 << 20, segmentSize: 64 << 10)
        for key in 0..<13_000 { try store.put(Self.value(0), forKey: "key \(key)") }
        let isDone = Atomic(false)
        onThreads(2) { thread in
            if thread == 0 {
                defer { isDone.store(true, ordering: .releasing) }
                let pool = TemporaryPool()
                do {
                    try store.backup(to: pool.path, holdingWritersFor: .seconds(1000))
                    #expect(try pool.open().count == 13_000)
                } catch {
                    Issue.record("\(error)")
                }
                return
            }
            var key = 0
            while !isDone.load(ordering: .acquiring) {
                do throws(StoreError) {
                    try store.put(Self.value(1), forKey: "key \(key % 13_000)")
                } catch {
                    #expect(error.code == .heldBack)
                }
                key += 1
            }
        }
        #expect(store.count == 13_000)
    }
}
