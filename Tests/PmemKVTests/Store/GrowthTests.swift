// Pools that become larger while they are open.

import Foundation
import PmemKVTesting
import Synchronization
import SystemPackage
import Testing

@testable import PmemKV

@Suite("Growth")
struct GrowthTests {
    private static let mega = 1 << 20

    private let pool = TemporaryPool()

    private func create(
        _ size: Int = 2 * mega, maximum: Int? = nil,
        _ change: (inout OpenOptions) -> Void = { _ in }
    ) throws -> PmemStore {
        var options = CreateOptions(size: size, segmentSize: 64 << 10, maximumSize: maximum)
        change(&options.open)
        return try PmemStore.create(at: pool.path, options: options)
    }

    private func value(_ number: Int) -> [UInt8] {
        bytes("\(number) ") + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 4000)
    }

    /// Puts keys until the pool is full. Returns how many there are then.
    private func fill(_ store: PmemStore, from first: Int = 0) throws -> Int {
        var number = first
        do throws(StoreError) {
            while true {
                try store.put(value(number), forKey: "key \(number)")
                number += 1
            }
        } catch {
            guard error.code == .outOfSpace else { throw error }
        }
        return number
    }

    private func expectKeys(_ count: Int, _ store: PmemStore) throws {
        #expect(store.count == count)
        for number in 0..<count {
            #expect(try store.get("key \(number)") == value(number), "key \(number)")
        }
    }

    private func expectSound() throws {
        #expect(try PmemStore.check(at: pool.path).damage == [])
    }

    private func length() throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: pool.path)
        return try #require(attributes[.size] as? Int)
    }

    @Test(
        "A full pool grows, takes more, and is what it was when it is opened again",
        arguments: [IOPath.mapped, .syscalls], [IndexKind.hash, .ordered])
    func grows(io: IOPath, index: IndexKind) throws {
        let store = try create {
            $0.io = io
            $0.index = index
        }
        let before = store.statistics
        #expect(before.poolBytes == 2 * Self.mega && before.maximumPoolBytes > 31 * Self.mega)
        var keys = try fill(store)
        for megas in [3, 4, 9, 18] {
            try store.grow(to: megas * Self.mega)
            let after = store.statistics
            #expect(after.poolBytes == megas * Self.mega)
            #expect(after.segments >= megas * 16 - 2 && after.unusedBytes == 0)
            #expect(after.maximumPoolBytes == before.maximumPoolBytes)
            #expect(after.freeSegments > 10)
            #expect(try length() == megas * Self.mega)
            let more = try fill(store, from: keys)
            #expect(more > keys + (after.freeSegments - 3) * 15)
            keys = more
        }
        try expectKeys(keys, store)
        #expect(store.orderedProblem() == nil)
        #expect(try store.structure().lost == 0)
        #expect(try store.structure().miscountedExtents == 0)
        try store.close()
        try expectSound()
        for io in [IOPath.syscalls, .mapped] {
            let again = try pool.open { $0.io = io }
            #expect(again.statistics.poolBytes == 18 * Self.mega)
            #expect(again.statistics.maximumPoolBytes == before.maximumPoolBytes)
            try expectKeys(keys, again)
            try again.close()
        }
    }

    /// The index checkpoint counts the segments that there were.
    @Test("What a checkpoint from before the growth says still holds", arguments: [true, false])
    func checkpoint(closes: Bool) throws {
        var store = try create { $0.engine.checkpointThreshold = 1 }
        let keys = 500
        for number in 0..<200 { try store.put(value(number), forKey: "key \(number)") }
        try store.close()
        store = try pool.open { $0.engine.checkpointThreshold = 1 }
        #expect(store.recoveryReport.usedCheckpoint)
        try store.grow(to: 5 * Self.mega)
        for number in 200..<keys { try store.put(value(number), forKey: "key \(number)") }
        if closes { try store.close() } else { store.abandon() }
        try expectSound()
        store = try pool.open()
        #expect(store.recoveryReport.usedCheckpoint)
        try expectKeys(keys, store)
        try store.close()
    }

    @Test("Both superblock copies say the new size, whichever of them is damaged", arguments: 0..<2)
    func copies(damaged: Int) throws {
        let store = try create()
        try store.grow(to: 4 * Self.mega)
        let keys = try fill(store)
        store.abandon()
        let handle = try #require(FileHandle(forUpdatingAtPath: pool.path))
        try handle.seek(toOffset: UInt64(damaged * 4096 + 100))
        try handle.write(contentsOf: [0xA5])
        try handle.close()
        let again = try pool.open()
        #expect(again.recoveryReport.damagedSuperblocks == [damaged])
        #expect(again.statistics.poolBytes == 4 * Self.mega)
        try expectKeys(keys, again)
        try again.grow(to: 5 * Self.mega)
        try again.close()
        try expectSound()
    }

    @Test(
        "Readers and writers go on while a pool grows", arguments: [IOPath.mapped, .syscalls],
        [IndexKind.hash, .ordered])
    func meanwhile(io: IOPath, index: IndexKind) throws {
        let store = try create {
            $0.io = io
            $0.index = index
        }
        let isDone = Atomic(false)
        let failures = Atomic(0)
        let counts = [SharedCount(), SharedCount()]
        onThreads(4) { thread in
            do {
                switch thread {
                case 0:
                    for megas in stride(from: 4, through: 32, by: 4) {
                        try store.grow(to: megas * Self.mega)
                        usleep(20_000)
                    }
                    isDone.store(true, ordering: .releasing)
                case 1, 2:
                    var number = 0
                    while !isDone.load(ordering: .acquiring) {
                        let key = "\(thread) \(number)"
                        do throws(StoreError) {
                            try store.put(value(number), forKey: key)
                        } catch {
                            guard error.code == .outOfSpace else { throw error }
                            continue
                        }
                        guard try store.get(key) == value(number) else {
                            failures.add(1, ordering: .relaxed)
                            return
                        }
                        number += 1
                        counts[thread - 1].add()
                    }
                default:
                    while !isDone.load(ordering: .acquiring) {
                        try store.scan(limit: 200) { _, value in value.byteCount > 1000 }
                        _ = store.statistics
                    }
                }
            } catch {
                failures.add(1, ordering: .relaxed)
                isDone.store(true, ordering: .releasing)
            }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
        #expect(store.count == Int(counts[0].value + counts[1].value))
        #expect(try store.structure().lost == 0)
        #expect(store.orderedProblem() == nil)
        try store.close()
        try expectSound()
    }

    @Test("A pool that is closed while it grows has one of both sizes and is closed cleanly")
    func closing() throws {
        for round in 0..<8 {
            let store = try create(2 * Self.mega)
            onThreads(2) { thread in
                if thread == 0 {
                    try? store.grow(to: 8 * Self.mega)
                } else {
                    usleep(UInt32(round * 100))
                    try? store.close()
                }
            }
            let again = try pool.open()
            #expect(again.recoveryReport.wasClean)
            #expect([2, 8].contains(again.statistics.poolBytes / Self.mega))
            try again.close()
            unlink(pool.path)
        }
    }

    @Test("What is not possible is refused and changes nothing")
    func refusals() throws {
        let store = try create(maximum: 4 * Self.mega)
        let most = store.statistics.maximumPoolBytes
        #expect(most <= 4 * Self.mega && most > 4 * Self.mega - (64 << 10))
        func expect(_ code: StoreError.Code, _ word: String?, _ bytes: Int) {
            do throws(StoreError) {
                try store.grow(to: bytes)
                Issue.record("grew to \(bytes)")
            } catch {
                #expect(error.code == code, "\(error)")
                #expect(word.map(error.message.contains) ?? true, "\(error)")
            }
        }
        try store.grow(to: 2 * Self.mega)
        expect(.invalidArgument, "smaller", 2 * Self.mega - 1)
        expect(.invalidArgument, "smaller", -1)
        expect(.invalidArgument, "another segment", 2 * Self.mega + 1)
        expect(.invalidArgument, "backup --size", 5 * Self.mega)
        expect(.invalidArgument, "\(most)", .max)
        #expect(try length() == 2 * Self.mega && store.statistics.poolBytes == 2 * Self.mega)
        // What the message named is right.
        let next = store.engine.geometry.bytes(ofSegments: store.statistics.segments + 1)
        expect(.invalidArgument, "\(next)", next - 1)
        try store.grow(to: next)
        // As much as was asked for at first, though the last of it is less than a segment.
        try store.grow(to: 4 * Self.mega)
        expect(.invalidArgument, "backup --size", 8 * Self.mega)
        try store.update("key") { _ throws(StoreError) in
            expect(.insideCallback, nil, 5 * Self.mega)
            return .keep
        }
        try store.close()
        expect(.closed, nil, 5 * Self.mega)
        let reader = try pool.open { $0.readOnly = true }
        #expect(reader.statistics.maximumPoolBytes == 4 * Self.mega)
        #expect(throws: StoreError.self) { try reader.grow(to: 5 * Self.mega) }
        try reader.close()
        #expect(throws: StoreError.self) { try create(maximum: 1 << 20) }
    }

    @Test("A full file system leaves the pool as it was", arguments: [IOPath.mapped, .syscalls])
    func fullFileSystem(io: IOPath) throws {
        // The first allocation is that of the new pool.
        let fault = CallFault(.allocate, .error(.noSpace), number: 1)
        let calls = FaultyCalls(fault)
        let store = try create {
            $0.io = io
            $0.engine.calls = calls
        }
        let keys = try fill(store)
        do throws(StoreError) {
            try store.grow(to: 4 * Self.mega)
            Issue.record("grew on a full file system")
        } catch {
            #expect(error.code == .outOfSpace && error.cause == .noSpace)
        }
        #expect(try length() == 2 * Self.mega)
        #expect(store.statistics.poolBytes == 2 * Self.mega)
        try store.remove("key 0")
        try store.grow(to: 3 * Self.mega)
        try store.put(value(0), forKey: "key 0")
        let more = try fill(store, from: keys)
        #expect(more > keys + 220)
        try store.close()
        try expectSound()
        let again = try pool.open()
        try expectKeys(more, again)
        try again.close()
    }

    @Test(
        "A length that does not become durable ends writing", arguments: [IOPath.mapped, .syscalls])
    func failedSync(io: IOPath) throws {
        // Those of a new pool are of its file and of its directory.
        let calls = FaultyCalls(CallFault(.syncAll, .error(.ioError), number: 2))
        let store = try create {
            $0.io = io
            $0.engine.calls = calls
        }
        try store.put("value", forKey: "key")
        #expect(throws: StoreError.self) { try store.grow(to: 4 * Self.mega) }
        #expect(calls.hasFailed)
        #expect(throws: StoreError.self) { try store.put("other", forKey: "key") }
        #expect(try length() == 2 * Self.mega)
        store.abandon()
        let again = try pool.open()
        #expect(try again.get("key") == bytes("value"))
        try again.grow(to: 4 * Self.mega)
        try again.close()
    }

    /// What a crash behind the allocation leaves, or somebody has added.
    @Test("A file longer than its pool is used when the pool grows", arguments: [3, 9])
    func longFile(megas: Int) throws {
        try create().close()
        try #require(truncate(pool.path, off_t(6 * Self.mega - 100)) == 0)
        let store = try pool.open()
        #expect(store.statistics.unusedBytes == 4 * Self.mega - 100)
        try store.grow(to: megas * Self.mega)
        let keys = try fill(store)
        try store.close()
        try expectSound()
        #expect(try length() == max(megas * Self.mega, 6 * Self.mega - 100))
        var status = stat()
        stat(pool.path, &status)
        #expect(Int(status.st_blocks) * 512 >= megas * Self.mega)
        let again = try pool.open()
        try expectKeys(keys, again)
        try again.close()
    }

    @Test("A copy of a grown pool is as large and may grow as far")
    func copiesGrow() throws {
        let store = try create()
        try store.grow(to: 4 * Self.mega)
        let most = store.statistics.maximumPoolBytes
        let keys = try fill(store)
        let copy = TemporaryPool()
        try store.backup(to: copy.path)
        let repaired = TemporaryPool()
        try store.close()
        _ = try PmemStore.repair(at: pool.path, to: repaired.path)
        for other in [copy, repaired] {
            let again = try other.open()
            #expect(again.statistics.poolBytes == 4 * Self.mega)
            #expect(again.statistics.maximumPoolBytes == most)
            try expectKeys(keys, again)
            try again.grow(to: 20 * Self.mega)
            #expect(try fill(again, from: keys) > keys + 3000)
            try again.close()
        }
    }

    /// A file whose length is no multiple of a page ends in the middle of one that is mapped.
    @Test func endsInTheMiddleOfAPage() throws {
        let store = try create(2 * Self.mega + 777)
        try store.grow(to: 3 * Self.mega + 5)
        try store.grow(to: 4 * Self.mega + 4095)
        let keys = try fill(store)
        try store.close()
        let again = try pool.open()
        try expectKeys(keys, again)
        try again.close()
        try expectSound()
    }

    @Test("The room in the table is no more than a 64th of the pool, or what was asked for")
    func tableRoom() throws {
        let (kilo, mega, giga) = (1 << 10, 1 << 20, 1 << 30)
        let cases: [(size: Int, segment: Int, most: Int)] = [
            (giga, 4 * mega, 16 * giga), (64 * mega, 64 * kilo, giga),
            (64 * mega, 4 * kilo, 66 * mega), (mega, kilo, mega),
            (400 * kilo, 64 * kilo, 6400 * kilo),
        ]
        for (size, segment, most) in cases {
            let geometry = try Geometry(poolSize: size, segmentSize: segment, room: .usual)
            let plain = try Geometry(poolSize: size, segmentSize: segment)
            let lost = plain.size(of: size).segments - geometry.size(of: size).segments
            #expect(lost * segment <= size / 64 + segment, "\(size)")
            let reach = geometry.reach
            #expect(
                reach > most - 2 * segment - size / 64 && reach <= most + segment + size / 32,
                "\(size)")
        }
        let asked = try Geometry(
            poolSize: 1 << 20, segmentSize: 1024, room: .bytes(16 << 20))
        #expect(asked.segmentLimit > 15_000)
        #expect(throws: StoreError.self) {
            try Geometry(poolSize: 1 << 20, segmentSize: 1024, room: .bytes(1 << 40))
        }
    }
}
