import PmemKV

/// Reads keys in every way there is, and holds them against their versions.
struct StressReader {
    private let stress: Stress
    private let scans: Bool
    private var random: SplitMix
    private let numbers: [[UInt8]: Int]

    init(stress: Stress, scans: Bool, random: SplitMix) {
        self.stress = stress
        self.scans = scans
        self.random = random
        numbers = Dictionary(uniqueKeysWithValues: (0..<Stress.keys).map { (Stress.key($0), $0) })
    }

    mutating func step() throws(StoreError) {
        if scans, random.below(8) == 0 { return try scan() }
        let key = random.below(Stress.keys)
        let lowest = stress.acknowledged(key) >> 1
        switch random.below(4) {
        case 0:
            if try !stress.store.contains(Stress.key(key)) { miss(key) }
        case 1:
            let there: Void? = try stress.store.withValue(forKey: Stress.key(key)) { value in
                // The bytes may not change under the reader.
                for _ in 0..<2 { value.withUnsafeBytes { check($0, key, lowest) } }
            }
            if there == nil { miss(key) }
        default:
            guard let value = try stress.store.get(Stress.key(key)) else { return miss(key) }
            value.withUnsafeBytes { check($0, key, lowest) }
        }
    }

    private func miss(_ key: Int) {
        if key < Stress.staying { stress.cells.report("key \(key) is not there") }
    }

    private func check(_ value: UnsafeRawBufferPointer, _ key: Int, _ lowest: UInt64) {
        guard let version = Stress.version(of: value, key) else {
            return stress.cells.report("key \(key) has a wrong value of \(value.count) bytes")
        }
        if version < lowest || version > stress.begun(key) >> 1 {
            stress.cells.report("key \(key) has version \(version), not from \(lowest) on")
        }
    }

    private mutating func scan() throws(StoreError) {
        let reverse = random.below(2) == 0
        let limit = random.below(2) == 0 ? nil : 1 + random.below(50)
        var last: [UInt8]?
        var staying = 0
        try stress.store.scan(reverse: reverse, limit: limit) { key, value in
            let name = key.withUnsafeBytes { Array($0) }
            if let last, last.lexicographicallyPrecedes(name) == reverse || last == name {
                stress.cells.report("a scan is out of order")
            }
            last = name
            guard let number = numbers[name] else { return true }
            if number < Stress.staying { staying += 1 }
            value.withUnsafeBytes { check($0, number, 0) }
            return true
        }
        if limit == nil, staying != Stress.staying {
            stress.cells.report("a scan leaves out keys that are always there")
        }
    }
}
