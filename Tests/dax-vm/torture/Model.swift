import PmemKV

/// SplitMix64: every operation is a pure function of the seed and its number, so that the verifier
/// can rebuild what the writer did before the power went.
struct Randomness {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// One mutation, or several that must appear together.
struct Operation: Sendable {
    enum Change: Sendable {
        case put(key: String, value: [UInt8])
        case remove(key: String)

        var key: String {
            switch self {
            case .put(let key, _), .remove(let key): key
            }
        }
    }

    let changes: [Change]
}

/// The deterministic history of one lane: a lane is one writer with keys of its own.
struct History: Sendable {
    let seed: UInt64
    let lane: Int
    let largestValue: Int
    static let keys = 120

    func key(_ number: Int) -> String { "lane\(lane)/key\(number)" }

    func operation(_ number: Int) -> Operation {
        var random = Randomness(seed ^ UInt64(lane) << 48 ^ UInt64(number) &* 0x2545_F491_4F6C_DD1D)
        let kind = random.below(100)
        let count = kind < 85 ? 1 : 2 + random.below(3)
        var changes: [Operation.Change] = []
        for _ in 0..<count {
            let key = key(random.below(Self.keys))
            if changes.contains(where: { $0.key == key }) { continue }
            if random.below(5) == 0 {
                changes.append(.remove(key: key))
            } else {
                changes.append(.put(key: key, value: value(number, &random)))
            }
        }
        return Operation(changes: changes)
    }

    /// Bytes that name the operation, so that a stale or mixed value is recognised.
    private func value(_ number: Int, _ random: inout Randomness) -> [UInt8] {
        let size = random.below(10) == 0 ? random.below(largestValue) : random.below(300)
        var value = Array("op\(number) ".utf8)
        var word = random.next()
        while value.count < size {
            value.append(UInt8(truncatingIfNeeded: word))
            word = word &* 6_364_136_223_846_793_005 &+ 1
        }
        return value
    }

    /// The keys and values after the first `count` operations.
    func state(after count: Int) -> [String: [UInt8]] {
        var model: [String: [UInt8]] = [:]
        for number in 0..<count { Self.apply(operation(number), to: &model) }
        return model
    }

    static func apply(_ operation: Operation, to model: inout [String: [UInt8]]) {
        for change in operation.changes {
            switch change {
            case .put(let key, let value): model[key] = value
            case .remove(let key): model[key] = nil
            }
        }
    }
}

extension PmemStore {
    /// Applies an operation through the calls an application would use.
    func perform(_ operation: Operation) throws(StoreError) {
        if operation.changes.count == 1 {
            switch operation.changes[0] {
            case .put(let key, let value): try put(value, forKey: key)
            case .remove(let key): _ = try remove(key)
            }
            return
        }
        var batch = WriteBatch()
        for change in operation.changes {
            switch change {
            case .put(let key, let value): batch.put(value, forKey: key)
            case .remove(let key): batch.remove(key)
            }
        }
        try apply(batch)
    }

    /// The first difference between the store and a model over the given keys, nil when equal.
    func difference(
        from model: [String: [UInt8]], keys: some Sequence<String>
    ) throws(StoreError) -> String? {
        for key in keys {
            let actual = try get(key)
            if actual == model[key] { continue }
            return "\(key): expected \(describe(model[key])), found \(describe(actual))"
        }
        return nil
    }
}

private func describe(_ value: [UInt8]?) -> String {
    guard let value else { return "nothing" }
    let name = String(decoding: value.prefix(while: { $0 != 32 }), as: UTF8.self)
    return "\(name) (\(value.count) bytes)"
}
