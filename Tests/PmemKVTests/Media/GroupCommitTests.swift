import Foundation
import Synchronization
import Testing

@testable import PmemKV

@Suite("Shared rounds of a slow medium")
struct GroupCommitTests {
    /// Writers slept on one condition for all rounds: each round woke all of them, those who waited
    /// for the next one for nothing, and sixteen writers of a disk waited for five rounds a put.
    /// However many come while a round runs, one more round serves all of them.
    @Test func whoComesDuringARoundIsServedByTheNext() {
        let group = GroupCommit()
        let gate = Gated()
        let rounds = SharedCount()
        let served = SharedCount()
        onThreads(10) { thread in
            switch thread {
            case 0: try? group.commit { gate.pass() }
            case 9:
                gate.awaitArrival()
                eventually { group.waiting == 8 }
                gate.open()
            default:
                gate.awaitArrival()
                try? group.commit { rounds.add() }
                served.add()
            }
        }
        #expect(rounds.value == 1)
        #expect(served.value == 8)
    }

    /// A request is over only when a round that began behind it has ended: what the request is for
    /// was written by then. Threads come and go, so that rounds begin with and without waiters.
    @Test func aRoundCoversWhatWasWrittenBeforeIt() {
        let group = GroupCommit()
        let written = (0..<4).map { _ in SharedCount() }
        let durable = (0..<4).map { _ in SharedCount() }
        let early = SharedCount()
        onThreads(4) { thread in
            for number in 1...2000 {
                written[thread].add()
                try? group.commit {
                    let seen = written.map(\.value)
                    for (part, value) in zip(durable, seen) { part.add(value - part.value) }
                }
                if durable[thread].value < UInt64(number) { early.add() }
            }
        }
        #expect(early.value == 0)
    }

    /// Nobody sleeps on after a failure, neither those of the failed round nor those who would
    /// have been in the next.
    @Test func aFailureReachesAllWhoWait() {
        let group = GroupCommit()
        let gate = Gated()
        let failed = SharedCount()
        onThreads(10) { thread in
            if thread == 9 {
                gate.awaitArrival()
                eventually { group.waiting == 8 }
                return gate.open()
            }
            if thread > 0 { gate.awaitArrival() }
            do throws(StoreError) {
                try group.commit { () throws(StoreError) in
                    gate.pass()
                    throw StoreError(.io, "the disk is gone")
                }
            } catch { failed.add() }
        }
        #expect(failed.value == 9)
        #expect(group.currentFailure?.code == .io)
        #expect(throws: StoreError.self) { try group.commit {} }
    }

    /// A writer took its log head first and then waited for its key's shard, whose holder waited
    /// for the disk. Eight writers of one key so kept all heads, and nobody else could write behind
    /// them before the round had ended: each put of many waited for rounds it might have joined.
    @Test func writersOfOneKeyDoNotKeepOthersFromJoiningTheirRound() throws {
        let calls = GatedCalls()
        let pool = TemporaryPool()
        let store = try pool.create(16 << 20) {
            $0.io = .syscalls
            $0.engine.calls = calls
        }
        try store.put(bytes("value"), forKey: bytes("one"))
        let other = try #require(
            (0..<1000).map { "other \($0)" }.first { shard($0, store) != shard("one", store) })
        calls.isArmed.store(true, ordering: .releasing)
        let entered = SharedCount()
        let hasJoined = SharedCount()
        onThreads(10) { thread in
            switch thread {
            case 0: try? store.put(bytes("first"), forKey: bytes("one"))
            case 9:
                calls.gate.awaitArrival()
                eventually { entered.value == 8 }
                for _ in 0..<1000 { sched_yield() }
                let before = calls.writes.value
                let writer = Thread { try? store.put(bytes("value"), forKey: bytes(other)) }
                writer.start()
                if eventually(within: 10, { calls.writes.value > before }) { hasJoined.add() }
                calls.isArmed.store(false, ordering: .releasing)
                calls.gate.open()
                eventually { writer.isFinished }
            default:
                calls.gate.awaitArrival()
                entered.add()
                try? store.put(bytes("again"), forKey: bytes("one"))
            }
        }
        #expect(hasJoined.value == 1, "the other key's record was written behind the round only")
        #expect(try store.get(bytes(other)) == bytes("value"))
        try store.close()
    }

    private func shard(_ key: String, _ store: PmemStore) -> ShardNumber {
        bytes(key).withUnsafeBytes {
            store.engine.index.shape.shard(
                of: store.records.hash(store.records.unnamed(ByteView($0))))
        }
    }
}

/// A place where a thread waits until the test lets all go on.
private final class Gated: Sendable {
    private let arrivals = SharedCount()
    private let opened = SharedCount()

    func pass() {
        arrivals.add()
        // Longer than the test waits for anything that has to happen meanwhile.
        eventually(within: 120) { opened.value > 0 }
    }

    func awaitArrival() { eventually { arrivals.value > 0 } }
    func open() { opened.add() }
}

/// The kernel's calls, of which a synchronisation waits at a gate while armed.
private final class GatedCalls: PoolCalls {
    let gate = Gated()
    let writes = SharedCount()
    let isArmed = Atomic<Bool>(false)
    private let kernel = KernelCalls()

    func read(_ file: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        kernel.read(file, into: buffer, at: offset)
    }

    func write(_ file: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        writes.add()
        return kernel.write(file, bytes, at: offset)
    }

    func syncData(_ file: CInt) -> Int {
        if isArmed.load(ordering: .acquiring) { gate.pass() }
        return kernel.syncData(file)
    }

    func syncAll(_ file: CInt) -> Int { kernel.syncAll(file) }

    func syncMapping(_ base: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int {
        kernel.syncMapping(base, range)
    }

    func allocate(_ file: CInt, _ range: Range<Int>) -> Int { kernel.allocate(file, range) }
}
