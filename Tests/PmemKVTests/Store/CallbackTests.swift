import Testing

@testable import PmemKV

/// What callers' code may do inside calls of a store.
@Suite("Callbacks")
struct CallbackTests {
    static let ways: [(IndexKind, IOPath)] = [
        (.hash, .mapped), (.ordered, .mapped), (.hash, .syscalls),
    ]

    private func makeStore(
        _ pool: TemporaryPool, _ way: (IndexKind, IOPath) = ways[0]
    ) throws -> PmemStore {
        try pool.create(1 << 20, segmentSize: 16 << 10) {
            ($0.index, $0.io) = way
            $0.engine.readerPatience = 50
        }
    }

    private func overwrite(_ store: PmemStore, _ count: Int) throws(StoreError) {
        for round in 0..<count {
            try store.put([UInt8](repeating: 1, count: 900), forKey: "k\(round % 10)")
        }
    }

    // MARK: Space

    /// Writers ran out of space in a pool full of garbage, as long as a body ran anywhere: it
    /// held an epoch, so nothing at all could be reused. It was to hold what it looks at.
    @Test(arguments: ways)
    func aBodyHoldsNothingButItsSegment(way: (IndexKind, IOPath)) throws {
        let store = try makeStore(TemporaryPool(), way)
        try store.put("start", forKey: "held")
        let failures = SharedCount()
        func write(_ value: RawSpan) {
            do throws(StoreError) {
                try overwrite(store, 3000)
            } catch {
                Issue.record("\(error)")
            }
            onThreads(2) { _ in
                do throws(StoreError) {
                    for round in 0..<2000 {
                        try store.put([UInt8](repeating: 2, count: 900), forKey: "k\(round % 10)")
                    }
                } catch {
                    failures.add()
                }
            }
            #expect(value.withUnsafeBytes { Array($0) } == bytes("start"))
        }
        _ = try store.withValue(forKey: "held") { write($0) }
        try store.scan(.prefix(bytes("held"))) { _, value in
            write(value)
            return true
        }
        #expect(failures.value == 0)
        #expect(try store.structure().miscountedExtents == 0)
    }

    /// Deeper than a block of frames: each of the bodies still sees what it was given, though all
    /// has been overwritten and the space of the rest used again.
    @Test func bodiesInsideBodiesEachKeepTheirs() throws {
        let store = try makeStore(TemporaryPool())
        for number in 0..<300 { try store.put("value \(number)", forKey: "held \(number)") }
        func hold(_ number: Int) throws {
            guard number < 300 else {
                for other in 0..<300 { try store.put("new", forKey: "held \(other)") }
                return try overwrite(store, 3000)
            }
            try store.withValue(forKey: "held \(number)") { value in
                Result { try hold(number + 1) }.map {
                    #expect(value.withUnsafeBytes { Array($0) } == bytes("value \(number)"))
                }
            }?.get()
        }
        try hold(0)
        #expect(store.engine.gate.callbacks.pinnedExtents.isEmpty)
        #expect(try store.get("held 299") == bytes("new"))
    }

    /// When bodies look at everything that could be reclaimed, a writer is told so in the end.
    @Test func spaceThatOnlyBodiesHoldIsNamed() throws {
        let store = try makeStore(TemporaryPool())
        let value = [UInt8](repeating: 1, count: 12 << 10)
        var keys: [String] = []
        while (try? store.put(value, forKey: "held \(keys.count)")) != nil {
            keys.append("held \(keys.count)")
        }
        var outcome: StoreError?
        func hold(_ number: Int) {
            if number < keys.count {
                _ = try? store.withValue(forKey: keys[number]) { _ in hold(number + 1) }
                return
            }
            do throws(StoreError) {
                for key in keys { _ = try store.remove(key) }
                for round in 0..<100 { try store.put(value, forKey: "new \(round)") }
            } catch {
                outcome = error
            }
        }
        hold(0)
        #expect(outcome?.code == .outOfSpace)
        #expect(outcome?.message.contains("in use by bodies") == true)
        try store.put(value, forKey: "works again")
    }

    // MARK: Closing

    /// A store that was closed inside a callback of its own waited for that callback, for ever.
    @Test(arguments: ways)
    func aCallbackCannotCloseItsStore(way: (IndexKind, IOPath)) throws {
        let store = try makeStore(TemporaryPool(), way)
        try store.put("value", forKey: "key")
        var codes: [StoreError.Code?] = []
        func close() {
            do throws(StoreError) {
                try store.close()
                codes.append(nil)
            } catch {
                codes.append(error.code)
            }
        }
        try store.scan { _, _ in
            close()
            _ = try? store.withValue(forKey: "key") { _ in close() }
            close()
            return true
        }
        _ = try store.withValue(forKey: "key") { _ in close() }
        for key in ["key", "no such key"] {
            try store.update(key) { _ in
                close()
                return .keep
            }
        }
        #expect(codes == Array(repeating: .insideCallback, count: 6))
        try store.close()
    }

    /// The thread that closes waits until the body has returned: the bytes stay readable.
    @Test(arguments: ways)
    func closingWaitsForBodiesOfOtherThreads(way: (IndexKind, IOPath)) throws {
        let store = try makeStore(TemporaryPool(), way)
        for number in 0..<3 { try store.put("value", forKey: "key \(number)") }
        let failures = SharedCount()
        let inside = SharedCount()
        let shown = SharedCount()
        onThreads(2) { thread in
            do throws(StoreError) {
                if thread == 0 {
                    SpinWait.until { inside.value != 0 }
                    return try store.close()
                }
                try store.scan { _, value in
                    inside.add()
                    SpinWait.until { store.engine.gate.isClosed }
                    shown.add()
                    if value.withUnsafeBytes({ Array($0) }) != bytes("value") { failures.add() }
                    return true
                }
                failures.add()
            } catch {
                if thread == 0 || error.code != .closed { failures.add() }
            }
        }
        #expect(failures.value == 0)
        #expect(shown.value == 1)
    }

    // MARK: Everything else

    /// The calls of a store by name, each of which succeeds outside of callbacks.
    private func calls(_ store: PmemStore, copy: String) -> [(String, Bool, () throws -> Void)] {
        [
            ("get", false, { _ = try store.get("key") }),
            ("contains", false, { _ = try store.contains("key") }),
            ("withValue", false, { _ = try store.withValue(forKey: "key") { _ in } }),
            ("scan", false, { try store.scan { _, _ in true } }),
            ("statistics", false, { _ = store.statistics }),
            ("backup", false, { try store.backup(to: copy) }),
            ("put", true, { try store.put("new", forKey: "key") }),
            ("relaxed put", true, { try store.put("new", forKey: "key", durability: .relaxed) }),
            ("remove", true, { try store.remove("other") }),
            ("update", true, { try store.update("key") { _ in .set(bytes("newer")) } }),
            (
                "compareAndSet", true,
                { _ = try store.compareAndSet("key", expected: nil, to: bytes("x")) }
            ),
            (
                "apply", true,
                {
                    var batch = WriteBatch()
                    batch.put("batched", forKey: "key")
                    try store.apply(batch)
                }
            ),
            ("sync", true, { try store.sync() }),
            ("compact", true, { try store.compact() }),
        ]
    }

    /// What a body that only reads may do is all but closing.
    @Test(arguments: ways)
    func aReadersBodyMayDoAnything(way: (IndexKind, IOPath)) throws {
        let store = try makeStore(TemporaryPool(), way)
        try store.put("value", forKey: "key")
        for number in calls(store, copy: "").indices {
            let copy = TemporaryPool()
            let call = calls(store, copy: copy.path)[number]
            func run() {
                #expect(throws: Never.self, "\(call.0)") { try call.2() }
            }
            try store.scan(.prefix(bytes("key"))) { _, _ in
                run()
                return false
            }
            let other = TemporaryPool()
            let again = calls(store, copy: other.path)[number]
            _ = try store.withValue(forKey: "key") { _ in
                #expect(throws: Never.self, "\(again.0)") { try again.2() }
            }
        }
    }

    /// A transform that wrote to its own key was overtaken by itself, each time it was repeated.
    @Test(arguments: ways, ["key", "no such key"])
    func aTransformMayOnlyRead(way: (IndexKind, IOPath), key: String) throws {
        let store = try makeStore(TemporaryPool(), way)
        try store.put("value", forKey: "key")
        for number in calls(store, copy: "").indices {
            let copy = TemporaryPool()
            let (name, writes, call) = calls(store, copy: copy.path)[number]
            var runs = 0
            try store.update(key) { _ in
                runs += 1
                do {
                    try call()
                    #expect(!writes, "\(name)")
                } catch {
                    #expect(writes && (error as? StoreError)?.code == .insideCallback, "\(name)")
                }
                return .keep
            }
            #expect(runs == 1)
        }
        let another = try makeStore(TemporaryPool())
        try store.update(key) { _ in
            #expect(throws: Never.self) { try another.put("value", forKey: "key") }
            return .set(bytes("done"))
        }
        #expect(try store.get(key) == bytes("done"))
    }
}
