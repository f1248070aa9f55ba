import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Sets of numbers")
struct NumberSetTests {
    /// Whatever is inserted and taken out, at the edges of words and levels, the lowest one from
    /// any place on is the one that a plain set has.
    @Test(arguments: [1, 63, 64, 65, 4096, 4097, 300_000])
    func isASet(capacity: Int) {
        var random = SplitMix(seed: UInt64(capacity))
        let set = NumberSet(capacity: capacity)
        var model: Set<Int> = []
        for _ in 0..<400 {
            let isLow = random.below(4) == 0
            let number = random.below(isLow ? min(70, capacity) : capacity)
            if random.below(3) == 0 {
                set.remove(number)
                model.remove(number)
            } else {
                set.insert(number)
                model.insert(number)
            }
            let start = random.below(capacity + 1)
            #expect(set.first(from: start) == model.filter { $0 >= start }.min())
        }
        var drained: [Int] = []
        set.drain { drained.append($0) }
        #expect(drained == model.sorted())
        #expect(set.first(from: 0) == nil)
        set.drain { _ in Issue.record("nothing is left") }
    }

    /// What one thread inserts while another drains is met once at least, and nothing else is.
    @Test func nothingIsLostWhileDraining() {
        let set = NumberSet(capacity: 5000)
        let met = (0..<4000).map { _ in SharedCount() }
        onThreads(3) { thread in
            if thread == 2 {
                for _ in 0..<300 { set.drain { met[$0].add() } }
            } else {
                for number in stride(from: thread, to: 4000, by: 2) { set.insert(number) }
            }
        }
        set.drain { met[$0].add() }
        #expect(met.allSatisfy { $0.value == 1 })
    }
}
