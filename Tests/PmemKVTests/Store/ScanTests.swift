import Testing

@testable import PmemKV

/// Scans of more than one pass over the hash index, and scans while keys come and go.
@Suite("Scans")
struct ScanTests {
    private func key(_ number: Int) -> String { "key \(100_000 + number)" }

    /// Somebody paged through a store four entries at a time and stopped at the first page with
    /// fewer: with the hash index it had only two, since the other keys it had chosen were gone
    /// when their turn came, though thousands followed. They are shown as they were.
    @Test(arguments: IndexKind.allCases, [2, 2500])
    func aLimitIsReachedThoughKeysGo(index: IndexKind, removed: Int) throws {
        for reverse in [false, true] {
            let store = try TemporaryPool().create(8 << 20) { $0.index = index }
            for number in 0..<6000 { try store.put("", forKey: key(number)) }
            var shown: [String] = []
            try store.scan(reverse: reverse, limit: 4) { found, _ in
                shown.append(text(found))
                guard shown.count == 1 else { return true }
                for number in 1...removed {
                    _ = try? store.remove(key(reverse ? 5999 - number : number))
                }
                return true
            }
            let wanted = 0..<4
            #expect(shown == wanted.map { key(reverse ? 5999 - $0 : $0) })
        }
    }

    /// A scan collected all keys of the store before it showed the first one, in as much memory as
    /// they take: it is to keep the first ones that fit, and never to lose one for it.
    @Test(arguments: [false, true], [16, 5000, 65_536])
    func aWindowKeepsTheFirstKeysThatFit(reverse: Bool, length: Int) {
        let budget = 12 << 20
        let total = 3 * budget / (length + 16)
        var window = KeyWindow(reverse: reverse, limit: .max)
        var filler = [UInt8](repeating: 7, count: length)
        for number in 0..<total {
            // Any order, in which each number comes once.
            let place = (number &* 7919) % total
            for byte in 0..<4 { filler[byte] = UInt8(truncatingIfNeeded: place >> (24 - 8 * byte)) }
            filler.withByteView { window.insert($0) }
        }
        window.sort()
        func place(_ number: Int) -> Int {
            window.withKey(number) { key in
                key.array.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            }
        }
        let expected = 0..<window.count
        #expect(expected.allSatisfy { place($0) == (reverse ? total - 1 - $0 : $0) })
        #expect(window.count * (length + 16) <= budget)
        #expect(window.count * (length + 16) >= budget / 4)
        #expect(window.bound?.prefix(4).reduce(0) { $0 << 8 | Int($1) } == place(window.count - 1))
    }

    /// Long keys, so that a scan takes several passes, and a writer that changes the store all the
    /// while: what is there throughout comes once and in order, both ways and from any bound.
    @Test(arguments: IndexKind.allCases, [false, true])
    func whatStaysComesOnce(index: IndexKind, reverse: Bool) throws {
        let store = try TemporaryPool().create(64 << 20) { $0.index = index }
        let padding = String(repeating: "x", count: 50_000)
        for number in 0..<600 { try store.put("", forKey: key(number) + padding) }
        let done = SharedCount()
        let failures = SharedCount()
        onThreads(2) { thread in
            do throws(StoreError) {
                guard thread == 0 else {
                    var round = 0
                    while done.value == 0 {
                        let number = round * 37 % 600
                        try store.put("\(round)", forKey: key(number) + padding)
                        try store.put("", forKey: key(number) + " passing")
                        try store.remove(key(number) + " passing")
                        round += 1
                    }
                    return
                }
                defer { done.add() }
                var stable: [String] = []
                var last: [UInt8]?
                let range = KeyRange(from: bytes(key(100)), to: bytes(key(550)))
                try store.scan(range, reverse: reverse) { found, _ in
                    let name = found.withUnsafeBytes { Array($0) }
                    if let last, last.lexicographicallyPrecedes(name) == reverse { failures.add() }
                    last = name
                    if name.last == UInt8(ascii: "x") {
                        stable.append(String(decoding: name.prefix(10), as: UTF8.self))
                    }
                    return true
                }
                let wanted = (100..<550).map(key)
                if stable != (reverse ? wanted.reversed() : wanted) { failures.add() }
            } catch {
                failures.add()
            }
        }
        #expect(failures.value == 0)
    }
}
