import PmemKV

/// Flips bits of a pool, one at a time, and asks for everything: each answer has to be right or
/// an error.
package final class BitFlips {
    package private(set) var flips = 0
    /// Flips after which opening was refused, and after which some read was.
    package private(set) var refusedOpens = 0
    package private(set) var refusedReads = 0
    private let image: PoolImage
    private let scratch: ScratchMedium
    private let options: OpenOptions
    private let keys: ScriptKeys
    private let expected: [[UInt8]?]
    /// Keys whose last record a crash may have torn: nothing on the medium proves that it had
    /// been durable, so damage to it looks like a torn tail.
    private let unproven: Set<Int>
    private let previous: [[UInt8]?]

    /// A pool, and what is in it. `previous` is what an unproven key may fall back to.
    package init(
        image: PoolImage, shape: PoolShape, expected: [[UInt8]?], unproven: Set<Int> = [],
        previous: [[UInt8]?] = []
    ) {
        self.image = image
        self.expected = expected
        self.unproven = unproven
        self.previous = previous
        options = shape.options
        scratch = ScratchMedium(image)
        keys = ScriptKeys(shape)
    }

    /// A sample, of which the last record may fall back where it was not closed.
    package convenience init(_ pool: SamplePool) {
        let changed = pool.expected.indices.filter { pool.expected[$0] != pool.previous[$0] }
        self.init(
            image: pool.image, shape: pool.shape, expected: pool.expected,
            unproven: pool.isClosed ? [] : Set(changed), previous: pool.previous)
    }

    /// Flips every `stride`th bit of a byte range. Returns what is wrong with the first bad one.
    package func run(_ range: Range<Int>, stride step: Int = 1, writable: Bool) -> String? {
        for bit in stride(from: range.lowerBound * 8, to: range.upperBound * 8, by: step) {
            let mask: UInt8 = 1 << UInt8(bit % 8)
            let byte = image.bytes.assumingMemoryBound(to: UInt8.self) + bit / 8
            byte.pointee ^= mask
            flips += 1
            let problem = judge(writable: writable)
            scratch.rollBack()
            byte.pointee ^= mask
            if let problem { return "bit \(bit % 8) of byte \(bit / 8) flipped: \(problem)" }
        }
        return nil
    }

    /// Holds the damaged pool against the truth.
    package func judge(writable: Bool) -> String? {
        var options = options
        options.readOnly = !writable
        let store: PmemStore
        do throws(StoreError) {
            store = try PmemStore.open(on: scratch, options: options)
        } catch {
            refusedOpens += 1
            return isDamage(error) ? nil : "opening throws \(error.code): \(error)"
        }
        defer { store.abandon() }
        var wasRefused = false
        for number in 0..<keys.count {
            do throws(StoreError) {
                let value = try keys.get(number, of: store)
                let mayFallBack = unproven.contains(number)
                if value != expected[number], !mayFallBack || value != previous[number] {
                    return "key \(number) has \(value.map { "\($0.count) bytes" } ?? "no value"), "
                        + "not \(expected[number].map { "\($0.count) bytes" } ?? "none")"
                }
            } catch {
                if !isDamage(error) { return "reading throws \(error.code): \(error)" }
                wasRefused = true
            }
        }
        if wasRefused { refusedReads += 1 }
        for name in keys.tables {
            guard let name else {
                if let problem = scan(store, of: nil) { return problem }
                continue
            }
            guard let table = try? store.table(named: name) else { return "no table '\(name)'" }
            if let problem = scan(table, of: name) { return problem }
        }
        return nil
    }

    private func scan(_ reader: some EntryReading, of table: String?) -> String? {
        var problem: String?
        do throws(StoreError) {
            try reader.scan { key, value in
                let bytes = key.withUnsafeBytes { [UInt8]($0) }
                let found = value.withUnsafeBytes { [UInt8]($0) }
                guard let number = self.keys.number(of: bytes, in: table) else {
                    problem = "a scan meets an unknown key"
                    return false
                }
                if found != self.expected[number], !self.unproven.contains(number) {
                    problem = "a scan gives key \(number) a wrong value"
                }
                return problem == nil
            }
        } catch {
            return isDamage(error) ? nil : "scanning throws \(error.code): \(error)"
        }
        return problem
    }

    private func isDamage(_ error: StoreError) -> Bool {
        [.corrupt, .media, .notAPool, .unsupportedVersion].contains(error.code)
    }
}
