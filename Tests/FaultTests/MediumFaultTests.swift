// Failing writes and drains at every call: what was acknowledged before stays, the failure is
// told, writing ends until the pool is opened again, and reading goes on.

import PmemKV
import PmemKVTesting
import SystemPackage
import Testing

@Suite("Faults of the medium")
struct MediumFaultTests {
    private let shape: PoolShape = {
        var shape = PoolShape()
        shape.keys = 4
        return shape
    }()

    private static let causes: [(FaultPlan.Kind, Errno)] = [
        (.drainFails, .ioError), (.writeFails, .noSpace), (.writeFails, .ioError),
        (.shortWrite, .noSpace),
    ]

    @Test("Every call fails once", arguments: 0..<4)
    func everyCall(number: Int) throws {
        let (kind, cause) = Self.causes[number]
        var reached = true
        var call = 0
        while reached {
            reached = try runWithFault(FaultPlan(kind, call: call, cause: cause))
            call += 1
        }
        #expect(call > 30, "the workload makes that many calls")
    }

    /// Runs a workload whose medium fails once. Returns whether it came to that.
    private func runWithFault(_ plan: FaultPlan) throws -> Bool {
        let image = PoolImage(size: shape.poolSize)
        let scratch = ScratchMedium(image)
        try PmemStore.open(
            on: scratch, formatSegmentSize: shape.segmentSize, options: shape.options
        ).close()
        let medium = FaultyMedium(scratch, plan: plan)
        var acknowledged: [[UInt8]?] = Array(repeating: nil, count: shape.keys)
        var pending: (key: Int, value: [UInt8]?)?
        var sawError = false
        do {
            let store = try PmemStore.open(on: medium, options: shape.options)
            defer { store.abandon() }
            for step in 0..<40 where !sawError {
                let key = step % shape.keys
                let value =
                    step % 5 == 4 ? nil : PoolShape.value(step: step, key: key, length: step * 9)
                pending = (key, value)
                do {
                    if let value {
                        try store.put(value, forKey: PoolShape.key(key))
                    } else {
                        try store.remove(PoolShape.key(key))
                    }
                    acknowledged[key] = value
                    pending = nil
                } catch {
                    #expect(error.code == .io && error.cause == plan.cause)
                    sawError = true
                }
            }
            if sawError { refusesWrites(store, acknowledged, pending) }
            if !sawError { try? store.close() }
        } catch {
            #expect(error.code == .io)
            sawError = true
        }
        scratch.expectReadable(shape, acknowledged, pending)
        return medium.hasFailed
    }

    private func refusesWrites(
        _ store: PmemStore, _ acknowledged: [[UInt8]?], _ pending: (key: Int, value: [UInt8]?)?
    ) {
        #expect(throws: StoreError.self) { try store.put([1], forKey: PoolShape.key(0)) }
        #expect(throws: StoreError.self) { try store.sync() }
        for key in 0..<shape.keys where key != pending?.key {
            #expect((try? store.get(PoolShape.key(key))) == acknowledged[key])
        }
    }
}

extension ScratchMedium {
    /// A new opening finds everything acknowledged; the write that failed may be there or not.
    fileprivate func expectReadable(
        _ shape: PoolShape, _ acknowledged: [[UInt8]?], _ pending: (key: Int, value: [UInt8]?)?
    ) {
        do {
            let store = try PmemStore.open(on: self, options: shape.options)
            defer { store.abandon() }
            for key in 0..<shape.keys {
                let found = try store.get(PoolShape.key(key))
                let isPending = pending?.key == key && found == pending?.value
                #expect(found == acknowledged[key] || isPending, "key \(key)")
            }
        } catch {
            Issue.record("opening after a fault: \(error)")
        }
    }
}
