import PmemKV

/// Changes the keys that are its own, and the counter that is everybody's.
struct StressWriter {
    private let stress: Stress
    private let own: [Int]
    private var random: SplitMix

    init(stress: Stress, number: Int, of count: Int, random: SplitMix) {
        self.stress = stress
        own = (0..<Stress.keys).filter { $0 % count == number }
        self.random = random
    }

    /// A full pool refuses a put; then something is removed.
    mutating func step() throws(StoreError) {
        do throws(StoreError) {
            try change()
        } catch {
            guard error.code == .outOfSpace else { throw error }
            for _ in 0..<4 { try remove(own[random.below(own.count)]) }
        }
    }

    private mutating func change() throws(StoreError) {
        let key = own[random.below(own.count)]
        switch random.below(64) {
        case 0: try stress.store.compact()
        case 1: try stress.store.sync()
        case 2: try applyBatch(40)
        case 3...8: try applyBatch(2 + random.below(6))
        case 9...12: try count()
        case 13...28: try remove(key)
        default: try put(key, random.below(8) == 0 ? .relaxed : .durable)
        }
    }

    /// The state of a key with its next version.
    private func next(_ key: Int, isThere: Bool) -> UInt64 {
        (stress.begun(key) | 1) + (isThere ? 2 : 1)
    }

    private func put(_ key: Int, _ durability: Durability) throws(StoreError) {
        let state = next(key, isThere: true)
        stress.begin(key, state)
        try stress.store.put(
            Stress.value(key, state >> 1), forKey: Stress.key(key), durability: durability)
        stress.acknowledge(key, state)
    }

    private func remove(_ key: Int) throws(StoreError) {
        guard key >= Stress.staying else { return }
        let state = next(key, isThere: false)
        stress.begin(key, state)
        let wasThere = try stress.store.remove(Stress.key(key))
        if wasThere != (stress.acknowledged(key) & 1 == 1) {
            stress.cells.report("a removal of key \(key) says \(wasThere)")
        }
        stress.acknowledge(key, state)
    }

    /// One of forty entries is longer than a segment.
    private mutating func applyBatch(_ count: Int) throws(StoreError) {
        let keys = Array(own.shuffled(using: &random).prefix(count))
        var batch = WriteBatch()
        var states: [UInt64] = []
        for key in keys {
            let isThere = key < Stress.staying || random.below(4) > 0
            let state = next(key, isThere: isThere)
            if isThere {
                batch.put(Stress.value(key, state >> 1), forKey: Stress.key(key))
            } else {
                batch.remove(Stress.key(key))
            }
            stress.begin(key, state)
            states.append(state)
        }
        try stress.store.apply(batch)
        for (key, state) in zip(keys, states) { stress.acknowledge(key, state) }
    }

    private mutating func count() throws(StoreError) {
        let store = stress.store
        func raised(_ old: UInt64) -> [UInt8] { Stress.bytes(of: old + 1) }
        if random.below(2) == 0 {
            try store.update(Stress.counter) { old in
                .set(raised(old?.withUnsafeBytes(Stress.word) ?? 0))
            }
        } else {
            let old = try store.get(Stress.counter)
            let isSet = try store.compareAndSet(
                Stress.counter, expected: old,
                to: raised(old.flatMap { $0.withUnsafeBytes(Stress.word) } ?? 0))
            guard isSet else { return }
        }
        stress.cells.add(1, to: Stress.counterCell)
    }
}
