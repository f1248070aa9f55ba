// The store against a dictionary: a random workload over the sizes where formats go wrong, and a
// pool kept nearly full. PMEMKV_MODEL_OPERATIONS sets how much; scripts/test runs a million
// operations in an optimised build.

import Glibc
import PmemKV
import Testing

@Suite("ModelTests", .serialized)
struct ModelTests {
    /// Operations of the random workload; the other test does a corresponding part.
    static let operations =
        getenv("PMEMKV_MODEL_OPERATIONS").flatMap { Int(String(cString: $0)) } ?? 20_000

    @Test("Puts, overwrites, deletes, gets and reopens: no difference to a dictionary")
    func randomWorkload() throws {
        let pool = ModelPool(size: 64 << 20)
        var run = ModelRun(pool: pool, seed: .random(in: .min ... .max))
        for operation in 1...Self.operations {
            do {
                try run.step()
                if operation % max(1, Self.operations / 20) == 0 { try run.reopen() }
            } catch {
                Issue.record("operation \(operation), seed \(run.seed): \(error)")
                return
            }
        }
        try run.reopen()
        try run.store.close()
        let report = try PmemStore.check(at: pool.path)
        #expect(report.isSound, "seed \(run.seed): \(report.damage.prefix(3))")
    }

    @Test("A pool kept at 90 % full takes 20 times its size in overwrites")
    func nearlyFull() throws {
        let pool = ModelPool(size: Self.operations >= 1_000_000 ? 64 << 20 : 8 << 20)
        var generator = ModelGenerator(state: 3)
        let store = try PmemStore.create(at: pool.path, options: CreateOptions(size: pool.size))
        var versions: [ModelValue] = []
        func put(_ number: Int) throws -> ModelValue {
            let value = ModelValue(
                seed: generator.next(), length: Int.random(in: 700...1300, using: &generator))
            try store.put(value.bytes, forKey: "key \(number)")
            return value
        }
        while true {
            versions.append(try put(versions.count))
            if versions.count % 64 == 0, store.statistics.liveBytes >= pool.size / 10 * 9 { break }
        }
        var written = 0
        while written < 20 * pool.size {
            let number = Int.random(in: versions.indices, using: &generator)
            versions[number] = try put(number)
            written += versions[number].length
        }
        func verify(_ store: PmemStore) throws {
            #expect(store.count == versions.count)
            for (number, version) in versions.enumerated() {
                guard try store.get("key \(number)") == version.bytes else {
                    Issue.record("key \(number) has another value")
                    return
                }
            }
        }
        try verify(store)
        try store.close()
        let again = try PmemStore.open(at: pool.path)
        try verify(again)
        try again.close()
        #expect(try PmemStore.check(at: pool.path).isSound)
    }
}

/// A value known by its seed and length, so that the model stays small.
private struct ModelValue: Equatable {
    let seed: UInt64
    let length: Int

    var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            var generator = ModelGenerator(state: seed)
            // One pass of random words, then copies of it: quick in an unoptimised build, too.
            let pattern = min(length, 256)
            for index in 0..<pattern { buffer[index] = UInt8(truncatingIfNeeded: generator.next()) }
            var filled = pattern
            while filled < length {
                let piece = min(filled, length - filled)
                memcpy(buffer.baseAddress! + filled, buffer.baseAddress!, piece)
                filled += piece
            }
            count = length
        }
    }
}

private struct ModelRun {
    let seed: UInt64
    private let pool: ModelPool
    private(set) var store: PmemStore
    private var generator: ModelGenerator
    private var model: [[UInt8]: ModelValue] = [:]
    private var keys: [[UInt8]] = []

    private static let small = [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257]
    private static let middle = [4095, 4096, 4097]

    init(pool: ModelPool, seed: UInt64) {
        self.pool = pool
        self.seed = seed
        generator = ModelGenerator(state: seed)
        guard
            let store = try? PmemStore.create(
                at: pool.path, options: CreateOptions(size: pool.size))
        else { preconditionFailure("cannot create \(pool.path)") }
        self.store = store
        keys = (0..<1000).map { number in
            let length = max(1, number % 100 == 0 ? 65536 : Self.length(&generator, large: false))
            return ModelValue(seed: generator.next(), length: length).bytes
        }
    }

    private static func length(_ generator: inout ModelGenerator, large: Bool) -> Int {
        switch Int.random(in: 0..<1000, using: &generator) {
        case 0 where large: 1 << 20
        case 1..<10 where large: 64 << 10
        case 10..<100: middle.randomElement(using: &generator)!
        default: small.randomElement(using: &generator)!
        }
    }

    mutating func step() throws {
        let key = keys.randomElement(using: &generator)!
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<4:
            let value = ModelValue(
                seed: generator.next(), length: Self.length(&generator, large: true))
            try store.put(value.bytes, forKey: key)
            model[key] = value
        case 4..<6:
            let wasThere = try store.remove(key)
            try expect(wasThere == (model.removeValue(forKey: key) != nil), "remove")
        default:
            try expect(try store.get(key) == model[key]?.bytes, "get")
        }
    }

    /// Closes the store or lets go of it as a crash would, opens it, and compares everything.
    mutating func reopen() throws {
        if Bool.random(using: &generator) {
            try store.close()
        } else {
            store.abandon()
        }
        var options = OpenOptions()
        options.index = IndexKind.allCases.randomElement(using: &generator)!
        store = try PmemStore.open(at: pool.path, options: options)
        try expect(store.count == model.count, "count \(store.count) for \(model.count)")
        let reverse = Bool.random(using: &generator)
        var expected = model.keys.sorted {
            reverse ? $1.lexicographicallyPrecedes($0) : $0.lexicographicallyPrecedes($1)
        }[...]
        var difference: String?
        try store.scan(reverse: reverse) { key, value in
            let next = expected.popFirst()
            let isEqual = key.withUnsafeBytes { key in
                value.withUnsafeBytes { value in
                    next.map { key.elementsEqual($0) && value.elementsEqual(model[$0]!.bytes) }
                }
            }
            if isEqual != true { difference = "scan" }
            return isEqual == true
        }
        try expect(difference == nil && expected.isEmpty, "scan")
    }

    private func expect(_ holds: Bool, _ what: String) throws {
        if !holds { throw Difference(what: what) }
    }

    struct Difference: Error {
        let what: String
    }
}

/// A pool's path; the file is gone at the end. In memory when that is possible.
private final class ModelPool {
    let size: Int
    let path: String

    init(size: Int) {
        self.size = size
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        path = "\(parent)/pmemkv-model-\(getpid())-\(size).pool"
        unlink(path)
    }

    deinit { unlink(path) }
}

/// Numbers that are the same for the same seed (SplitMix64).
struct ModelGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
