/// What a store may say after a crash, kept beside the store that runs.
///
/// For each key there is a list of candidates: writes whose value recovery may find. A write
/// leaves the list when a durable write of the key began after it had ended. So without
/// relaxed writes and with one writer there is one candidate, and two while a write is under way.
package struct Oracle {
    package struct Write {
        let id: Int
        /// Nil: the key is absent.
        let value: [UInt8]?
        /// Writes of one batch share it; -1 outside batches.
        let batch: Int
        let start: Int
        var end = Int.max
        var isDurable = false
        let isRelaxed: Bool
        let hash: UInt64
    }

    package private(set) var candidates: [[Write]]
    /// Segments that the pool may have; nil as long as it was not asked to grow.
    private var sizes: Set<Int>?
    private var clock = 1
    private var nextID = 1

    package init(keys: Int) {
        let absent = Write(
            id: 0, value: nil, batch: -1, start: 0, end: 0, isDurable: true, isRelaxed: false,
            hash: 1)
        candidates = Array(repeating: [absent], count: keys)
    }

    package var keys: Int { candidates.count }

    /// A write under way: the identities of its parts.
    package struct Token {
        fileprivate let parts: [(key: Int, id: Int)]
    }

    /// A write begins. Several keys make a batch.
    package mutating func begin(
        _ parts: [(key: Int, value: [UInt8]?)], relaxed: Bool
    ) -> Token {
        clock += 1
        let batch = parts.count > 1 ? nextID : -1
        var ids: [(key: Int, id: Int)] = []
        for (key, value) in parts {
            let hash = value.map { bytes in
                bytes.reduce(UInt64(bytes.count) &+ 7) { PoolImage.mix($0 ^ UInt64($1)) }
            }
            candidates[key].append(
                Write(
                    id: nextID, value: value, batch: batch, start: clock, isRelaxed: relaxed,
                    hash: hash ?? 1))
            ids.append((key, nextID))
            nextID += 1
        }
        return Token(parts: ids)
    }

    /// The write has returned.
    package mutating func end(_ token: Token, durable: Bool) {
        clock += 1
        for (key, id) in token.parts {
            guard let index = candidates[key].firstIndex(where: { $0.id == id }) else { continue }
            candidates[key][index].end = clock
            if durable { makeDurable(key, index) }
        }
    }

    /// The write was refused and has left nothing behind.
    package mutating func withdraw(_ token: Token) {
        for (key, id) in token.parts { candidates[key].removeAll { $0.id == id } }
    }

    /// Everything that ended before this moment is durable once the matching `synced` is called.
    package mutating func syncBegins() -> Int {
        clock += 1
        return clock
    }

    package mutating func synced(_ moment: Int) {
        for key in candidates.indices {
            while let index = candidates[key].lastIndex(where: {
                $0.end < moment && !$0.isDurable
            }) {
                makeDurable(key, index)
            }
        }
    }

    private mutating func makeDurable(_ key: Int, _ index: Int) {
        candidates[key][index].isDurable = true
        let start = candidates[key][index].start
        candidates[key].removeAll { $0.end < start }
    }

    /// Changes whenever a write of the key begins or ends. A read during which it has changed says
    /// nothing: what it found may have been right when it looked.
    package func moment(_ key: Int) -> [Int] { candidates[key].flatMap { [$0.id, $0.end] } }

    /// A reader of the running store got this. Nil when that is a possible answer.
    ///
    /// Unless relaxed writes of the key are about, the answer has to survive every later crash.
    package mutating func read(_ key: Int, _ value: [UInt8]?) -> String? {
        let matches = candidates[key].indices.filter { candidates[key][$0].value == value }
        guard let index = matches.last else { return wrongAnswer(key, value.map(\.count)) }
        // A relaxed write is seen before it is durable, and before it has returned as well.
        let hasRelaxed = candidates[key].contains {
            !$0.isDurable && ($0.isRelaxed || $0.end != .max)
        }
        if matches.count == 1, !hasRelaxed {
            let start = candidates[key][index].start
            candidates[key][index].isDurable = true
            candidates[key].removeAll { $0.end < start }
        }
        return nil
    }

    /// After a crash was recovered for good, what was found is what there is.
    package mutating func settle(_ key: Int, _ value: [UInt8]?) {
        clock += 1
        guard var found = candidates[key].last(where: { $0.value == value }) else { return }
        found.end = found.start
        found.isDurable = true
        candidates[key] = [
            Write(
                id: found.id, value: value, batch: -1, start: found.start, end: found.start,
                isDurable: true, isRelaxed: false, hash: found.hash)
        ]
    }

    // MARK: Growing

    /// The pool begins to grow.
    package mutating func growthBegins(from old: Int, to new: Int) { sizes = [old, new] }

    /// How many segments the pool has is known.
    package mutating func settle(segments: Int) {
        if sizes != nil { sizes = [segments] }
    }

    /// What is wrong about a pool of so many segments.
    package func wrongSize(_ segments: Int) -> String? {
        guard let sizes, !sizes.contains(segments) else { return nil }
        return "the pool has \(segments) segments; possible: \(sizes.sorted())"
    }

    // MARK: Judging a crash state

    /// Which candidates of a key have this value, one bit each.
    @inline(__always)
    package func matches(_ key: Int, _ value: UnsafeRawBufferPointer?) -> UInt64 {
        var mask: UInt64 = 0
        for (index, write) in candidates[key].enumerated() where index < 64 {
            let isSame: Bool
            if let value, let expected = write.value {
                isSame = value.count == expected.count && expected.elementsEqual(value)
            } else {
                isSame = value == nil && write.value == nil
            }
            if isSame { mask |= 1 << UInt64(index) }
        }
        return mask
    }

    package func wrongAnswer(_ key: Int, _ length: Int?) -> String {
        let found = length.map { "a value of \($0) bytes" } ?? "nothing"
        let allowed = candidates[key].map { write in
            write.value.map { "write \(write.id) (\($0.count) bytes)" } ?? "absent (\(write.id))"
        }
        return "key \(key) has \(found); possible: \(allowed.joined(separator: ", "))"
    }

    /// Whether batches are whole in what was found: no key has a batch's value while another has
    /// one from before the batch.
    package func brokenBatch(_ found: [UInt64]) -> String? {
        for key in 0..<keys where found[key] != 0 {
            let definite = candidates[key].indices.filter { found[key] >> UInt64($0) & 1 != 0 }
            let batch = candidates[key][definite[0]].batch
            guard batch >= 0, definite.allSatisfy({ candidates[key][$0].batch == batch }) else {
                continue
            }
            for other in 0..<keys where other != key {
                guard let own = candidates[other].firstIndex(where: { $0.batch == batch }),
                    found[other] != 0
                else { continue }
                // Another thread's write that began before and had not ended may be behind the
                // batch.
                let start = candidates[other][own].start
                let isOld = candidates[other].indices.allSatisfy { index in
                    found[other] >> UInt64(index) & 1 == 0
                        || candidates[other][index].end < start
                }
                if isOld { return "batch \(batch) is there for key \(key), not for key \(other)" }
            }
        }
        return nil
    }

    /// A hash of everything that judging depends on.
    package var fingerprint: UInt64 {
        var hash: UInt64 = 3
        for key in candidates.indices {
            hash = PoolImage.mix(hash ^ UInt64(key))
            for write in candidates[key] {
                hash = PoolImage.mix(hash ^ write.hash ^ UInt64(bitPattern: Int64(write.batch)))
            }
        }
        if let sizes { for size in sizes.sorted() { hash = PoolImage.mix(hash ^ UInt64(size)) } }
        return hash
    }
}
