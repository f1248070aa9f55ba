/// A set of small numbers in shared words: a bit for each, and above 64 words a word that tells
/// which of them hold any, up to a single word.
///
/// Anybody may insert at any time; one at a time takes out.
///
/// Invariant: a word that holds a bit has its own bit above, or whoever set the first bit in it is
/// about to set that one. So what was inserted before somebody looks is found then or, when its
/// insertion was still under way, the next time.
struct NumberSet: ~Copyable {
    private let lines: SharedLines
    /// Where the words of each level begin, the lowest one first.
    private let starts: [Int]
    private static let shift = 6
    private static let mask = 63

    init(capacity: Int) {
        var starts: [Int] = []
        var words = 0
        var count = max(1, capacity)
        repeat {
            starts.append(words)
            count = (count + Self.mask) >> Self.shift
            words += count
        } while count > 1
        self.starts = starts
        lines = SharedLines((words + SharedLines.wordsPerLine - 1) / SharedLines.wordsPerLine)
    }

    private func word(_ level: Int, _ number: Int) -> AtomicWord { lines[starts[level] + number] }

    /// O(1) where the number's neighbours are in the set, else O(log capacity).
    func insert(_ number: Int) {
        var number = number
        for level in starts.indices {
            let bit: UInt64 = 1 << UInt64(number & Self.mask)
            number >>= Self.shift
            if word(level, number).fetchOr(bit) != 0 { return }
        }
    }

    /// Takes a number out; nobody inserts a neighbour meanwhile. O(log capacity).
    func remove(_ number: Int) {
        var number = number
        for level in starts.indices {
            let bit: UInt64 = 1 << UInt64(number & Self.mask)
            number >>= Self.shift
            let word = word(level, number)
            guard word.loadSequential() & bit != 0, word.fetchSubtract(bit) == bit else { return }
        }
    }

    /// The lowest number in the set that is not below this one. O(log capacity).
    func first(from start: Int) -> Int? { first(starts.count - 1, 0, from: start) }

    private func first(_ level: Int, _ index: Int, from start: Int) -> Int? {
        let shift = Self.shift * level
        let skipped = max(0, (start - index << (shift + Self.shift)) >> shift)
        guard skipped <= Self.mask else { return nil }
        var bits = word(level, index).loadSequential() & ~0 << UInt64(skipped)
        while bits != 0 {
            let number = index << Self.shift + bits.trailingZeroBitCount
            if level == 0 { return number }
            if let found = first(level - 1, number, from: start) { return found }
            bits &= bits - 1
        }
        return nil
    }

    /// Takes all numbers out and gives them to body. O(numbers * log capacity), at least O(1).
    func drain(_ body: (Int) -> Void) { drain(starts.count - 1, 0, body) }

    private func drain(_ level: Int, _ index: Int, _ body: (Int) -> Void) {
        let word = word(level, index)
        // Taken out before what they stand for is looked at: what comes later sets them again.
        // All at once: who finds a bit beside its own leaves the bit above to whoever set that one.
        var bits = word.fetchAnd(0)
        while bits != 0 {
            let number = index << Self.shift + bits.trailingZeroBitCount
            bits &= bits - 1
            if level == 0 { body(number) } else { drain(level - 1, number, body) }
        }
    }
}
