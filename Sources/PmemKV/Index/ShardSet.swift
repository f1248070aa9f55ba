/// Shards of an index, each once, ascending.
struct ShardSet: Sequence, IteratorProtocol {
    private static let wordBits = 64
    private var words = InlineArray<4, UInt64>(repeating: 0)

    init() { assert(IndexShape.maximumShards <= words.count * Self.wordBits) }

    @inline(__always)
    mutating func insert(_ shard: ShardNumber) {
        words[shard.rawValue / Self.wordBits] |= 1 &<< UInt64(shard.rawValue % Self.wordBits)
    }

    /// Takes the lowest one out.
    mutating func next() -> ShardNumber? {
        for number in words.indices where words[number] != 0 {
            let bit = words[number].trailingZeroBitCount
            words[number] &= words[number] &- 1
            return ShardNumber(number * Self.wordBits + bit)
        }
        return nil
    }
}
