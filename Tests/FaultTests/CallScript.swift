// A store's life at a path, whose system calls go wrong, and what may be found afterwards.

import Foundation
import PmemKV
import PmemKVTesting
import SystemPackage
import Testing

/// What a store does in its life.
enum CallStep {
    case put(String, Int)
    case relaxed(String, Int)
    case remove(String)
    /// A nil length removes.
    case batch([(String, Int?)], relaxed: Bool = false)
    case sync
    case compact
    case reopen
    /// To so many segments.
    case grow(Int)

    /// Creates, fills several segments, supersedes most of it, compacts, closes with a
    /// checkpoint, and goes on after opening. The first long value lies across two pages.
    static let life: [CallStep] =
        [
            .put("a", 10), .put("b", 700), .put("d", 500), .put("c", 3000),
            .batch([("a", 100), ("d", 50), ("b", nil)]),
            .relaxed("e", 40), .relaxed("a", 64), .sync, .remove("d"), .relaxed("e", 90),
        ]
        + (0..<12).map { .put(["a", "b", "d", "f"][$0 % 4], 250) }
        + [
            .compact, .grow(28), .reopen, .put("f", 20), .grow(30), .put("c", 2500),
            .batch([("a", 8), ("b", 600), ("e", nil)]), .relaxed("d", 30), .compact, .reopen,
            .remove("c"), .put("a", 5),
        ]
}

/// Runs the life of a store with one call going wrong and checks all that has to hold.
struct CallScript {
    typealias Contents = [String: [UInt8]]

    static let keys = ["a", "b", "c", "d", "e", "f"]
    let path: String
    let io: IOPath
    let fault: CallFault
    private let calls: FaultyCalls
    /// What the store has to answer now.
    private var visible: Contents = [:]
    /// What may be found after a crash.
    private var allowed: Set<Contents> = [[:]]
    private(set) var error: StoreError?
    private(set) var hasPool = false

    var hasFailed: Bool { calls.hasFailed }

    init(path: String, io: IOPath, fault: CallFault) {
        self.path = path
        self.io = io
        self.fault = fault
        calls = FaultyCalls(fault)
    }

    /// Runs all of it; what is found wrong is recorded as an issue.
    mutating func run(_ steps: [CallStep] = CallStep.life) {
        defer { unlink(path) }
        var store: PmemStore?
        do throws(StoreError) {
            store = try create()
            hasPool = true
            for (number, step) in steps.enumerated() {
                if case .reopen = step {
                    let old = store
                    store = nil
                    try old?.close()
                    allowed = [visible]
                    store = try PmemStore.open(at: path, options: options(faulty: true))
                } else if let store {
                    try apply(step, number, to: store)
                }
            }
            for key in Self.keys { try expect(store, key) }
            let last = store
            store = nil
            try last?.close()
            allowed = [visible]
        } catch {
            self.error = error
            judge(error)
        }
        if let store { examineFailed(store) }
        #expect(calls.trustedAfterFailure == 0, "\(fault)")
        reopen()
    }

    private func create() throws(StoreError) -> PmemStore {
        // Room for the last growth.
        var creation = CreateOptions(
            size: 8192 + 4096 + 24 * 1024, segmentSize: 1024,
            maximumSize: 8192 + 4096 + 30 * 1024)
        creation.open = options(faulty: true)
        return try PmemStore.create(at: path, options: creation)
    }

    private func options(faulty: Bool) -> OpenOptions {
        var options = OpenOptions()
        options.io = io
        options.engine.recoveryThreads = 1
        options.engine.checkpointThreshold = 1
        options.engine.sequenceStep = 8
        if faulty { options.engine.calls = calls }
        return options
    }

    private func value(_ number: Int, _ length: Int) -> [UInt8] {
        PoolShape.value(step: number, key: 0, length: length)
    }

    private mutating func apply(
        _ step: CallStep, _ number: Int, to store: PmemStore
    ) throws(StoreError) {
        switch step {
        case .put(let key, let length):
            let value = value(number, length)
            try write([(key, value)]) { () throws(StoreError) in try store.put(value, forKey: key) }
        case .relaxed(let key, let length):
            let value = value(number, length)
            try write([(key, value)], relaxed: true) { () throws(StoreError) in
                try store.put(value, forKey: key, durability: .relaxed)
            }
            try expect(store, key)
        case .remove(let key):
            try write([(key, nil)]) { () throws(StoreError) in try store.remove(key) }
        case .batch(let entries, let relaxed):
            var batch = WriteBatch()
            var changes: [(String, [UInt8]?)] = []
            for (key, length) in entries {
                let bytes = length.map { value(number, $0) }
                if let bytes { batch.put(bytes, forKey: key) } else { batch.remove(key) }
                changes.append((key, bytes))
            }
            try write(changes, relaxed: relaxed) { () throws(StoreError) in
                try store.apply(batch, durability: relaxed ? .relaxed : .durable)
            }
            if relaxed { for (key, _) in changes { try expect(store, key) } }
        case .sync:
            try store.sync()
            allowed = [visible]
        case .compact: try store.compact()
        case .grow(let segments): try store.grow(to: 8192 + 4096 + segments * 1024)
        case .reopen: break
        }
    }

    /// Changes what is allowed: with or without these changes while the write runs; with them
    /// once it is acknowledged as durable.
    private mutating func write(
        _ changes: [(String, [UInt8]?)], relaxed: Bool = false,
        _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        func changed(_ contents: Contents) -> Contents {
            var result = contents
            for (key, value) in changes { result[key] = value }
            return result
        }
        let with = Set(allowed.map(changed))
        allowed.formUnion(with)
        try body()
        visible = changed(visible)
        if !relaxed { allowed = with }
    }

    private func expect(_ store: PmemStore?, _ key: String) throws(StoreError) {
        let found = try store?.get(key)
        #expect(found == visible[key], "\(fault): \(key)")
    }

    /// Whether the error is the one that the fault deserves.
    private func judge(_ error: StoreError) {
        #expect(hasFailed && !fault.isHarmless, "\(fault): \(error)")
        #expect(error.cause == fault.cause, "\(fault): \(error)")
        switch (fault.call, fault.cause) {
        case (.read, .ioError?): #expect(error.code == .media, "\(fault): \(error)")
        case (_, .noSpace?) where !hasPool:
            #expect(error.code == .cannotCreate, "\(fault): \(error)")
        case (.allocate, .noSpace?): #expect(error.code == .outOfSpace, "\(fault): \(error)")
        default: #expect(error.code == .io, "\(fault): \(error)")
        }
    }

    /// A store that met a fault goes on reading, and writes nothing once durability is in doubt.
    private func examineFailed(_ store: PmemStore) {
        defer { store.abandon() }
        // Of a full file system only growth is told.
        let isFull = fault.call == .allocate && fault.cause == .noSpace
        if fault.call != .read, !isFull {
            #expect(throws: StoreError.self, "\(fault)") { try store.put([1], forKey: "a") }
            #expect(throws: StoreError.self, "\(fault)") { try store.sync() }
            #expect(throws: StoreError.self, "\(fault)") { try store.remove("a") }
        }
        for key in Self.keys {
            do throws(StoreError) {
                let found = try store.get(key)
                #expect(
                    found == visible[key] || allowed.contains { $0[key] == found },
                    "\(fault): \(key)")
            } catch {
                Issue.record("\(fault): \(key) cannot be read: \(error)")
            }
        }
    }

    /// With a sound kernel again: the file as it stands, and the file as a disk has it that keeps
    /// only what it was told to.
    private func reopen() {
        guard hasPool else {
            #expect(access(path, F_OK) != 0, "\(fault): a half-made pool is left")
            return
        }
        expectAllowed(at: path)
        let copy = path + ".disk"
        defer { unlink(copy) }
        #expect(FileManager.default.createFile(atPath: copy, contents: Data(calls.disk)))
        expectAllowed(at: copy)
    }

    private func expectAllowed(at path: String) {
        do throws(StoreError) {
            let store = try PmemStore.open(at: path, options: options(faulty: false))
            defer { store.abandon() }
            var found: Contents = [:]
            for key in Self.keys { found[key] = try store.get(key) }
            #expect(allowed.contains(found), "\(fault): \(path): \(found.mapValues(\.count))")
            #expect(try store.structure().lost == 0)
        } catch {
            Issue.record("\(fault): \(path) does not open: \(error)")
        }
    }
}
