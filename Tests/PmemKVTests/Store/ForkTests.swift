// A child has a copy of what its parent had open, and none of the threads that held its locks.

import CPmem
import Foundation
import Testing

@testable import PmemKV

@Suite("Forks")
struct ForkTests {
    /// Counts calls, and keeps the number of the first that did anything but refuse.
    private struct Refusals {
        private var calls: Int32 = 0
        private(set) var firstAnswer: Int32 = 0

        mutating func ask(_ call: () throws(StoreError) -> Void) {
            calls += 1
            do throws(StoreError) {
                try call()
            } catch {
                if error.code == .closed { return }
            }
            if firstAnswer == 0 { firstAnswer = calls }
        }
    }

    /// The number of the first call that is not refused as `closed`; zero when all are. Nothing in
    /// here may wait, nor expect anything: it runs in children.
    private func firstAnswer(
        _ store: PmemStore, _ snapshot: Snapshot, _ cursor: inout Cursor, _ tx: Transaction
    ) -> Int32 {
        var refusals = Refusals()
        refusals.ask { () throws(StoreError) in _ = try snapshot.get("key 11") }
        refusals.ask { () throws(StoreError) in _ = try snapshot.contains("none") }
        refusals.ask { () throws(StoreError) in
            _ = try snapshot.withValue(forKey: "key 11") { $0.byteCount }
        }
        refusals.ask { () throws(StoreError) in try snapshot.scan { _, _ in true } }
        refusals.ask { () throws(StoreError) in try snapshot.scan(reverse: true) { _, _ in true } }
        refusals.ask { () throws(StoreError) in _ = try snapshot.entries(limit: 1) }
        // 7: The cursor, whose next entries may have been copied before.
        refusals.ask { () throws(StoreError) in _ = try cursor.next() }
        refusals.ask { () throws(StoreError) in _ = try cursor.previous() }
        refusals.ask { () throws(StoreError) in _ = try cursor.first() }
        refusals.ask { () throws(StoreError) in _ = try cursor.last() }
        refusals.ask { () throws(StoreError) in _ = try cursor.seek("key 20") }
        refusals.ask { () throws(StoreError) in _ = try cursor.seek(below: "key 20") }
        // 13: The transaction, which has read one key and written another.
        refusals.ask { () throws(StoreError) in _ = try tx.get("key 11") }
        refusals.ask { () throws(StoreError) in _ = try tx.get("key 12") }
        refusals.ask { () throws(StoreError) in _ = try tx.contains("none") }
        refusals.ask { () throws(StoreError) in try tx.scan { _, _ in true } }
        refusals.ask { () throws(StoreError) in try tx.put("child", forKey: "key 13") }
        refusals.ask { () throws(StoreError) in try tx.remove("key 13") }
        refusals.ask { () throws(StoreError) in _ = try tx.commit(relaxed: false) }
        // 20: New ones.
        refusals.ask { () throws(StoreError) in _ = try store.snapshot() }
        refusals.ask { () throws(StoreError) in _ = try store.cursor() }
        refusals.ask { () throws(StoreError) in
            do {
                try store.transaction { tx in try tx.put("child", forKey: "key 14") }
            } catch let error as StoreError {
                throw error
            } catch {}
        }
        snapshot.end()
        store.abandon()
        return refusals.firstAnswer
    }

    /// Opens a snapshot, a cursor and a transaction of a new store, and runs body with the question
    /// that ``firstAnswer(_:_:_:_:)`` is, and the pool's path. Behind it everything goes on.
    private func withAllOpen(
        _ index: IndexKind, _ body: (PmemStore, String, () -> Int32) throws -> Void
    ) throws {
        let pool = TemporaryPool()
        let store = try pool.create(1 << 20, segmentSize: 16 << 10) { $0.index = index }
        for number in 10..<40 { try store.put("old", forKey: "key \(number)") }
        let snapshot = try store.snapshot()
        var cursor = try store.cursor()
        #expect(try cursor.next() && cursor.next() && cursor.next())
        for number in 10..<20 { try store.put("new", forKey: "key \(number)") }
        try store.transaction { tx in
            #expect(try tx.get("key 11") == bytes("new"))
            try tx.put("parent", forKey: "key 12")
            try body(store, pool.path) { firstAnswer(store, snapshot, &cursor, tx) }
            #expect(try snapshot.get("key 11") == bytes("old"))
            #expect(try snapshot.entries().count == 30 && cursor.next())
            #expect(cursor.key == bytes("key 13") && cursor.value == bytes("old"))
            #expect(try tx.get("key 11") == bytes("new"))
            #expect(try tx.get("key 12") == bytes("parent"))
        }
        #expect(try store.get("key 12") == bytes("parent"))
        snapshot.end()
    }

    /// What a cursor had copied it went on to show, and a transaction took writes that nobody could
    /// commit, in a child as on a closed store: whoever forgot that it was of no use there learned
    /// it some dozens of calls later. With all locks held at that moment, nothing may wait either.
    @Test(arguments: [IndexKind.hash, .ordered])
    func allThatIsOpenRefusesInTheChild(index: IndexKind) throws {
        // On a closed store first: a child must not be the first one to need anything of the
        // runtime, whose locks another thread may have held.
        struct Over: Error {}
        #expect(throws: Over.self) {
            try withAllOpen(index) { store, _, firstAnswer in
                try store.close()
                #expect(firstAnswer() == 0)
                throw Over()
            }
        }
        try withAllOpen(index) { store, path, firstAnswer in
            let engine = store.engine
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            engine.space.compactionLock.lock()
            engine.index.shards.forEach { engine.index.lock(ofShard: $0).lock() }
            let status = try statusOfForkedChild(firstAnswer)
            engine.index.shards.forEach { engine.index.lock(ofShard: $0).unlock() }
            engine.space.compactionLock.unlock()
            #expect(status == 0)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        }
    }
}
