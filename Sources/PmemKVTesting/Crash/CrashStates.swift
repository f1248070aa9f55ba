/// All states a crash may leave, given what is durable and what is pending.
///
/// The pending stores fall into digits: one for each granule's ordinary stores, which survive as
/// a prefix (radix: their number plus one), and one of radix two for each non-temporal word. A
/// crash state is a choice for every digit. Reflected mixed-radix Gray code visits them so that
/// neighbours differ in one word; above a bound they are sampled.
///
/// Invariant: between visits and after the last, `image` is what it was, one choice apart.
package struct CrashStates {
    private struct Digit {
        /// Where its stores begin in `stores`, and how many there are.
        let first: Int
        let count: Int
    }

    private let image: PoolImage
    /// Pending stores in program order, grouped by digit.
    private var stores: [PendingStore] = []
    /// Position of each in program order.
    private var orders: [Int] = []
    private var digits: [Digit] = []
    private var choices: [Int] = []
    /// What the words were before.
    private var originals: [UInt64] = []
    /// Words that occur once; the others need a look at all stores.
    private var isUnique: [Bool] = []
    package private(set) var hash: UInt64

    /// `image` holds what is durable; its hash is `hash`.
    package init(image: PoolImage, hash: UInt64, pending: [PendingStore], granule: Int) {
        self.image = image
        self.hash = hash
        var groups: [(granule: Int, members: [Int])] = []
        var groupOf: [Int: Int] = [:]
        for (order, store) in pending.enumerated() where !store.isBulk {
            let number = store.word * 8 / granule
            if let group = groupOf[number] {
                groups[group].members.append(order)
            } else {
                groupOf[number] = groups.count
                groups.append((number, [order]))
            }
        }
        for (order, store) in pending.enumerated() where store.isBulk {
            groups.append((store.word * 8 / granule, [order]))
        }
        var seen: [Int: Int] = [:]
        for store in pending { seen[store.word, default: 0] += 1 }
        for group in groups {
            digits.append(Digit(first: stores.count, count: group.members.count))
            for order in group.members {
                stores.append(pending[order])
                orders.append(order)
                originals.append(image.words[pending[order].word])
                isUnique.append(seen[pending[order].word] == 1)
            }
        }
        choices = [Int](repeating: 0, count: digits.count)
    }

    /// The number of states, capped.
    package func count(cap: Int) -> Int {
        var total = 1
        for digit in digits {
            total *= digit.count + 1
            if total >= cap { return cap }
        }
        return total
    }

    /// Visits all states when there are at most `limit`, else: none, all, each digit alone, each
    /// digit missing, and random ones up to the limit. Returns false when `body` did.
    package mutating func visit(
        limit: Int, random: inout SplitMix, _ body: (UInt64) -> Bool
    ) -> Bool {
        defer { setAll(toMost: false) }
        if count(cap: limit + 1) <= limit { return visitAll(body) }
        return sample(limit: limit, &random, body)
    }

    /// Leaves `image` in the state that a number picks.
    package mutating func choose(_ pick: UInt64) {
        var random = SplitMix(seed: pick)
        switch pick % 8 {
        case 0: break
        case 1: setAll(toMost: true)
        default: setRandomly(&random)
        }
    }

    /// Knuth 7.2.1.1, algorithm H.
    private mutating func visitAll(_ body: (UInt64) -> Bool) -> Bool {
        let n = digits.count
        var focus = Array(0...n)
        var direction = [Int](repeating: 1, count: n)
        while true {
            if !body(hash) { return false }
            let j = focus[0]
            focus[0] = 0
            if j == n { return true }
            set(j, to: choices[j] + direction[j])
            if choices[j] == 0 || choices[j] == digits[j].count {
                direction[j] = -direction[j]
                focus[j] = focus[j + 1]
                focus[j + 1] = j + 1
            }
        }
    }

    private mutating func sample(
        limit: Int, _ random: inout SplitMix, _ body: (UInt64) -> Bool
    ) -> Bool {
        if !body(hash) { return false }
        for j in digits.indices.prefix(limit / 4) {
            set(j, to: digits[j].count)
            if !body(hash) { return false }
            set(j, to: 0)
        }
        setAll(toMost: true)
        if !body(hash) { return false }
        for j in digits.indices.prefix(limit / 4) {
            set(j, to: 0)
            if !body(hash) { return false }
            set(j, to: digits[j].count)
        }
        let rest = limit - 2 * min(digits.count, limit / 4)
        for round in 0..<max(rest, 8) {
            if round % 4 == 0 {
                setRandomly(&random)
            } else {
                let j = random.below(digits.count)
                set(j, to: random.below(digits[j].count + 1))
            }
            if !body(hash) { return false }
        }
        return true
    }

    private mutating func setRandomly(_ random: inout SplitMix) {
        for j in digits.indices { set(j, to: random.below(digits[j].count + 1)) }
    }

    private mutating func setAll(toMost: Bool) {
        for j in digits.indices { set(j, to: toMost ? digits[j].count : 0) }
    }

    private mutating func set(_ j: Int, to choice: Int) {
        let digit = digits[j]
        while choices[j] != choice {
            let isMore = choices[j] < choice
            let index = digit.first + (isMore ? choices[j] : choices[j] - 1)
            choices[j] += isMore ? 1 : -1
            let word = stores[index].word
            let value: UInt64
            if isUnique[index] {
                value = isMore ? stores[index].value : originals[index]
            } else {
                value = newestChosen(word) ?? originals[index]
            }
            hash ^= PoolImage.wordHash(word, image.words[word]) ^ PoolImage.wordHash(word, value)
            image.words[word] = value
        }
    }

    /// The value of the last chosen store of a word in program order.
    private func newestChosen(_ word: Int) -> UInt64? {
        var best: (order: Int, value: UInt64)?
        for j in digits.indices {
            for index in digits[j].first..<(digits[j].first + choices[j])
            where stores[index].word == word && orders[index] >= (best?.order ?? 0) {
                best = (orders[index], stores[index].value)
            }
        }
        return best?.value
    }
}
