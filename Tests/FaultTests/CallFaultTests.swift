// Every system call of the media that make them, going wrong once.

import Foundation
import PmemKV
import PmemKVTesting
import Synchronization
import SystemPackage
import Testing

@Suite("Faults of system calls")
struct CallFaultTests {
    private let path = "/dev/shm/pmemkv-call-\(UUID().uuidString).pool"

    /// Told to trust flushes everywhere, libpmem leaves nothing for msync to do.
    private static let usesMsync = getenv("PMEM_IS_PMEM_FORCE") == nil

    /// Lets each call of a sort go wrong in turn, until a whole life passes without. Returns the
    /// number of calls there are, and of lives that ended with an error.
    private func runEvery(
        _ call: CallFault.Call, _ kind: CallFault.Kind, _ io: IOPath,
        _ steps: [CallStep] = CallStep.life
    ) -> (calls: Int, errors: Int) {
        var number = 0
        var errors = 0
        while true {
            let fault = CallFault(call, kind, number: number)
            var script = CallScript(path: path, io: io, fault: fault)
            script.run(steps)
            if script.error != nil { errors += 1 }
            guard script.hasFailed else { return (number, errors) }
            number += 1
        }
    }

    @Test(
        "A write that fails is told, once for each write there is",
        arguments: [
            CallFault.Kind.error(.noSpace), .error(.ioError), .shortThenError(.noSpace),
            .shortThenError(.ioError), .nothing,
        ])
    func writes(kind: CallFault.Kind) {
        let (calls, errors) = runEvery(.write, kind, .syscalls)
        #expect(calls > 100 && errors == calls)
    }

    @Test(
        "A synchronisation that fails ends all writing", .enabled(if: usesMsync),
        arguments: [Errno.ioError, .noSpace], [IOPath.syscalls, .mapped])
    func synchronisations(cause: Errno, io: IOPath) {
        let call: CallFault.Call = io == .syscalls ? .syncData : .syncMapping
        let (calls, errors) = runEvery(call, .error(cause), io)
        #expect(calls > 60 && errors == calls)
    }

    /// A relaxed put whose record did not get into the file returned as if it had; the key then
    /// read as damaged, and the value before it was out of reach.
    @Test("A relaxed write that fails is told at once")
    func relaxedWrites() {
        let steps: [CallStep] = [
            .put("a", 9), .put("b", 80), .relaxed("a", 40),
            .batch([("a", 5), ("b", 600), ("c", 7)], relaxed: true), .sync,
        ]
        for kind in [CallFault.Kind.error(.noSpace), .shortThenError(.ioError)] {
            let (calls, errors) = runEvery(.write, kind, .syscalls, steps)
            #expect(calls > 20 && errors == calls)
        }
    }

    @Test(
        "Of many writers none is acknowledged by a synchronisation that failed",
        .enabled(if: usesMsync),
        arguments: [IOPath.syscalls, .mapped])
    func manyWriters(io: IOPath) throws {
        for number in stride(from: 12, to: 40, by: 3) {
            defer { unlink(path) }
            let call: CallFault.Call = io == .syscalls ? .syncData : .syncMapping
            let calls = FaultyCalls(CallFault(call, .error(.ioError), number: number))
            var creation = CreateOptions(size: 1 << 20)
            creation.open.io = io
            creation.open.engine.calls = calls
            let store = try PmemStore.create(at: path, options: creation)
            let acknowledged = Mutex<[Int]>([])
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                for key in 0..<20 {
                    let name = thread * 100 + key
                    guard (try? store.put("\(name)", forKey: "\(name)")) != nil else { return }
                    acknowledged.withLock { $0.append(name) }
                }
            }
            store.abandon()
            #expect(calls.hasFailed && calls.trustedAfterFailure == 0)
            try Data(calls.disk).write(to: URL(fileURLWithPath: path))
            let found = try PmemStore.open(at: path)
            for name in acknowledged.withLock({ $0 }) {
                #expect(try found.get("\(name)") == Array("\(name)".utf8), "\(number)")
            }
            found.abandon()
        }
    }

    @Test("A read that fails is an error for what was asked, and for nothing else")
    func reads() {
        let (calls, errors) = runEvery(.read, .error(.ioError), .syscalls)
        #expect(calls > 60 && errors > 0)
    }

    @Test(
        "Interrupted calls are repeated",
        arguments: [
            CallFault.Call.read, .write, .syncData, .syncAll, .allocate,
        ])
    func interrupted(call: CallFault.Call) {
        let (calls, errors) = runEvery(call, .error(.interrupted), .syscalls)
        #expect(calls > 0 && errors == 0)
    }

    @Test("An interrupted msync is repeated", .enabled(if: usesMsync))
    func interruptedMapping() {
        let (calls, errors) = runEvery(.syncMapping, .error(.interrupted), .mapped)
        #expect(calls > 60 && errors == 0)
    }

    @Test("Short reads and writes are completed", arguments: [CallFault.Call.read, .write])
    func short(call: CallFault.Call) {
        let (calls, errors) = runEvery(call, .short, .syscalls)
        #expect(calls > 60 && errors == 0)
    }

    @Test(
        "A pool that cannot be made leaves nothing behind, one that cannot grow is what it was",
        arguments: [CallFault.Call.allocate, .syncAll], [Errno.noSpace, .ioError])
    func creation(call: CallFault.Call, cause: Errno) {
        let (calls, errors) = runEvery(call, .error(cause), .mapped)
        // The file itself and the name in its directory; twice the pool grows.
        #expect(calls == (call == .syncAll ? 4 : 3) && errors == calls)
    }
}
