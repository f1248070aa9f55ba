/// Sizes of keys or values: one size, or uniform between two; a pure function of the key's index
/// and version, so that every engine writes, and the verification expects, the same bytes.
struct SizeDistribution: Codable, Sendable, Equatable {
    var smallest: Int
    var largest: Int

    var isFixed: Bool { smallest == largest }
    var mean: Double { Double(smallest + largest) / 2 }

    /// "200" or "100-400".
    init?(_ text: String) {
        let parts = text.split(separator: "-").map { Int($0) }
        guard let first = parts.first ?? nil, let last = parts.last ?? nil,
            parts.count <= 2, first >= 0, first <= last
        else { return nil }
        smallest = first
        largest = last
    }

    @inline(__always)
    func size(_ hash: UInt64) -> Int {
        if smallest == largest { return smallest }
        return smallest + Int(hash >> 8) % (largest - smallest + 1)
    }

    var description: String { isFixed ? "\(smallest)" : "\(smallest)-\(largest)" }
}

/// A good and cheap 64-bit mix (the finaliser of SplitMix64).
@inline(__always)
func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}

/// The generator behind every stream: the same seed gives the same run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix(state)
    }

    /// Uniform in 0 ..< bound.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Uniform in 0 ..< 1.
    @inline(__always)
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
