// Pools that are full, or nearly: of few segments and of many, with values from nothing to twenty
// segments, single and in batches, killed in the middle of a write and reopened. Full pools once
// refused removes for ever: a batch that took a long extent could not be moved out of it, and what
// was kept for removes was given to puts, by the next process at the latest.
//
// PMEMKV_FULL_POOL_SECONDS sets how long the random test goes on; scripts/test says a minute.

import Glibc
import PmemKV
import PmemKVTesting
import SystemPackage
import Testing

@Suite("Full pools")
struct FullPoolTests {
    private static let seconds =
        getenv("PMEMKV_FULL_POOL_SECONDS").flatMap { Double(String(cString: $0)) } ?? 3

    @Test("A remove never fails, and what was removed can be used again")
    func random() throws {
        var seeds = SystemRandomNumberGenerator()
        let clock = ContinuousClock()
        let end = clock.now + .seconds(Self.seconds)
        repeat {
            let seed =
                getenv("PMEMKV_FULL_POOL_SEED").flatMap { UInt64(String(cString: $0)) }
                ?? UInt64.random(in: 0..<1_000_000_000, using: &seeds)
            do {
                var run = try FullPoolRun(seed: seed)
                try run.run()
            } catch {
                Issue.record("seed \(seed): \(error)")
                return
            }
        } while clock.now < end
    }
}

private struct Wrong: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One pool: filled, worked on while it is full, emptied, filled again.
private struct FullPoolRun {
    private var random: SplitMix
    private var shape = PoolShape()
    private let image: PoolImage
    private let scratch: ScratchMedium
    private var store: PmemStore
    private var medium: FaultyMedium
    private var model: [[UInt8]: [UInt8]] = [:]
    private var step = 0
    private let usesLong: Bool
    private let usesBatches: Bool
    private let usesKills: Bool

    init(seed: UInt64) throws {
        random = SplitMix(seed: seed)
        shape.segmentSize = [1024, 1024, 4096, 16384][random.below(4)]
        shape.segments = [4, 5, 6, 7, 8, 20, 64, 250, 1000][random.below(9)]
        while shape.segments * shape.segmentSize > 8 << 20 { shape.segments /= 4 }
        shape.heads = 1 + random.below(8)
        shape.sequenceStep = 64
        shape.checkpointThreshold = [1, 64, 1 << 20][random.below(3)]
        usesLong = random.below(3) == 0
        usesBatches = random.below(2) == 0
        usesKills = random.below(2) == 0
        image = PoolImage(size: shape.poolSize + shape.segments * 64)
        scratch = ScratchMedium(image)
        medium = FaultyMedium(scratch, plan: nil)
        store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
    }

    /// How many records of a kind a pool takes.
    private mutating func fill(_ length: Int) throws -> Int {
        var count = 0
        let value = PoolShape.value(step: 1, key: 1, length: length)
        while try put(Array("probe \(count)".utf8), value) { count += 1 }
        return count
    }

    mutating func run() throws {
        let length = random.below(shape.segmentSize / 4)
        let new = try fill(length)
        try removeAll()
        for _ in 0..<(1 + random.below(3)) {
            try workFull(steps: 100 + random.below(400))
            if random.below(2) == 0 { try removeAll() }
        }
        try removeAll()
        let again = try fill(length)
        let perSegment = shape.segmentSize / ((32 + 12 + length + 63) / 64 * 64) + 1
        guard again + 2 * perSegment >= new else {
            throw Wrong("took \(new) records when new, and \(again) when empty again")
        }
        try verify()
        store.abandon()
    }

    private mutating func workFull(steps: Int) throws {
        var isFull = false
        for _ in 0..<steps {
            step += 1
            scratch.keep()
            switch random.below(isFull ? 12 : 40) {
            case 0, 1, 2: try removeAny()
            case 3 where usesKills: try kill()
            case 4 where random.below(4) == 0: try reopen()
            case 5 where random.below(4) == 0: try store.compact()
            case 6, 7, 8:
                if usesBatches { isFull = try !batch() || isFull } else { try removeAny() }
            default: isFull = try !put(newKey(), newValue()) || isFull
            }
        }
        try verify()
    }

    // MARK: Operations

    private mutating func newKey() -> [UInt8] {
        let limit = shape.segmentSize / 4
        let length = random.below(8) == 0 ? 1 + random.below(limit) : 8
        var key = Array("\(random.below(20 * shape.segments))".utf8)
        if length > key.count { key += Array(repeating: 0x78, count: length - key.count) }
        return key
    }

    private mutating func newValue() -> [UInt8] {
        let segment = shape.segmentSize
        let length =
            switch random.below(10) {
            case 0 where usesLong: random.below(20 * segment)
            case 1, 2: random.below(segment)
            case 3: 0
            default: random.below(segment / 8)
            }
        return PoolShape.value(step: step, key: 0, length: length)
    }

    private mutating func put(_ key: [UInt8], _ value: [UInt8]) throws -> Bool {
        do {
            try store.put(value, forKey: key)
            model[key] = value
            return true
        } catch {
            guard error.code == .outOfSpace else { throw error }
            return false
        }
    }

    private mutating func batch() throws -> Bool {
        var batch = WriteBatch()
        var after = model
        for _ in 0..<(1 + random.below(12)) {
            if random.below(5) == 0, let key = anyKey() {
                batch.remove(key)
                after[key] = nil
            } else {
                let (key, value) = (newKey(), newValue())
                batch.put(value, forKey: key)
                after[key] = value
            }
        }
        do {
            try store.apply(batch)
            model = after
            return true
        } catch {
            guard error.code == .outOfSpace else { throw error }
            return false
        }
    }

    private mutating func anyKey() -> [UInt8]? {
        guard !model.isEmpty else { return nil }
        return model.keys.sorted { $0.lexicographicallyPrecedes($1) }[random.below(model.count)]
    }

    private mutating func removeAny() throws {
        guard let key = anyKey() else { return }
        try remove(key)
    }

    private mutating func remove(_ key: [UInt8]) throws {
        do {
            guard try store.remove(key) else { throw Wrong("a key was not there") }
        } catch let error as StoreError {
            throw Wrong("\(model.count) keys, step \(step): a remove failed: \(error)")
        }
        model[key] = nil
    }

    private mutating func removeAll() throws {
        for key in model.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) { try remove(key) }
    }

    // MARK: Ends

    private mutating func reopen() throws {
        try store.close()
        try open()
    }

    private mutating func open() throws {
        medium = FaultyMedium(scratch, plan: nil)
        store = try PmemStore.open(on: medium, options: shape.options)
    }

    /// Some operation ends in the middle; the next process finds everything stored so far.
    private mutating func kill() throws {
        store.abandon()
        let kind = FaultPlan.Kind.allCases[random.below(FaultPlan.Kind.allCases.count)]
        let plan = FaultPlan(kind, call: random.below(12), cause: .ioError)
        medium = FaultyMedium(scratch, plan: plan)
        let before = model
        var after = model
        do {
            store = try PmemStore.open(on: medium, options: shape.options)
            for _ in 0..<10 {
                let key = anyKey() ?? newKey()
                if random.below(2) == 0 {
                    after[key] = nil
                    _ = try store.remove(key)
                } else {
                    let value = newValue()
                    after[key] = value
                    guard try put(key, value) else {
                        after = model
                        continue
                    }
                }
                model = after
            }
        } catch let error as StoreError {
            guard error.code == .io else { throw error }
        }
        store.abandon()
        try open()
        // The operation that was under way, and no other one, happened or did not.
        for key in Set(after.keys).union(model.keys).union(before.keys)
        where after[key] != model[key] {
            let found = try store.get(key)
            guard found == after[key] || found == model[key] else {
                throw Wrong("a killed write left neither the old nor the new value")
            }
            model[key] = found
        }
    }

    private func verify() throws {
        guard store.count == model.count else {
            throw Wrong("step \(step): \(store.count) keys instead of \(model.count)")
        }
        for (key, value) in model where try store.get(key) != value {
            throw Wrong("step \(step): a value does not read back")
        }
        let structure = try store.structure()
        guard structure.miscountedExtents == 0, structure.lost == 0 else {
            throw Wrong("step \(step): \(structure)")
        }
    }
}
