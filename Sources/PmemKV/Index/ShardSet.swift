/// Shards of an index, each once.
struct ShardSet {
    private static let wordBits = 64
    private var words = InlineArray<4, UInt64>(repeating: 0)

    init() { assert(IndexShape.maximumShards <= words.count * Self.wordBits) }

    @inline(__always)
    mutating func insert(_ shard: ShardNumber) {
        words[shard.rawValue / Self.wordBits] |= 1 &<< UInt64(shard.rawValue % Self.wordBits)
    }

    /// Calls body with each of them, ascending.
    @inline(__always)
    func forEach(_ body: (ShardNumber) -> Void) {
        for number in words.indices {
            var rest = words[number]
            while rest != 0 {
                body(ShardNumber(number &* Self.wordBits &+ rest.trailingZeroBitCount))
                rest &= rest &- 1
            }
        }
    }
}
