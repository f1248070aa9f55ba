import Glibc
import PmemKV

/// Writers, readers and scans on one small store, at the machine's own pace, and a close, early in
/// the middle of everything or at the end. Then the pool is opened again and compared.
///
/// Each key belongs to one writer, which numbers its versions; a value tells its key and version
/// and is made of them. A reader holds what it finds against the versions that were acknowledged
/// before it began and begun before it ended.
package final class Stress: @unchecked Sendable {
    static let keys = 240
    /// Keys that are never removed.
    static let staying = 32
    private static let writers = 4
    private static let size = 512 << 10
    private static let segmentSize = 4096

    let store: PmemStore
    let cells = StressCells(Stress.keys * 2 + 4)
    private let medium: MemoryMedium?
    private let path: String?
    private let options: OpenOptions
    private let closesEarly: Bool
    private let seed: UInt64
    private let steps = 700

    /// - Parameter path: where a file of the pool may be; nil for a pool in memory.
    package init(seed: UInt64, path: String?, index: IndexKind, closesEarly: Bool) {
        self.seed = seed
        self.path = path
        self.closesEarly = closesEarly
        var options = OpenOptions()
        options.index = index
        self.options = options
        medium = path == nil ? MemoryMedium(size: Self.size) : nil
        do throws(StoreError) {
            if let path {
                var creation = CreateOptions(size: Self.size, segmentSize: Self.segmentSize)
                creation.open = options
                store = try PmemStore.create(at: path, options: creation)
            } else {
                store = try PmemStore.open(
                    on: medium!, formatSegmentSize: Self.segmentSize, options: options)
            }
        } catch {
            fatalError("a pool for the stress: \(error)")
        }
    }

    package var operations: Int { Int(cells[Self.operationsCell]) }

    // MARK: Shared words

    private static let operationsCell = keys * 2
    static let counterCell = keys * 2 + 1

    /// Version times two, plus one when the key is there.
    func acknowledged(_ key: Int) -> UInt64 { cells[key] }
    func begun(_ key: Int) -> UInt64 { cells[Self.keys + key] }
    func begin(_ key: Int, _ state: UInt64) { cells[Self.keys + key] = state }
    func acknowledge(_ key: Int, _ state: UInt64) { cells[key] = state }

    // MARK: Keys and values

    static func key(_ number: Int) -> [UInt8] { Array("key \(number * 7919 % 1000)".utf8) }
    static let counter = Array("counter".utf8)

    /// Some values are longer than a segment. All but the first eight bytes are alike, so that a
    /// sanitized build makes them fast; that a record is whole its checksum tells.
    static func value(_ key: Int, _ version: UInt64) -> [UInt8] {
        let mixed = PoolImage.mix(version << 16 | UInt64(key))
        let length = mixed % 61 == 0 ? segmentSize + 1000 : Int(mixed % 300)
        let filler = UInt8(truncatingIfNeeded: version &+ UInt64(key))
        return bytes(of: version << 16 | UInt64(key)) + [UInt8](repeating: filler, count: length)
    }

    static func bytes(of word: UInt64) -> [UInt8] { withUnsafeBytes(of: word) { Array($0) } }

    static func word(_ value: UnsafeRawBufferPointer) -> UInt64? {
        value.count >= 8 ? value.loadUnaligned(as: UInt64.self) : nil
    }

    /// The version that a value of a key is; nil when it is none.
    static func version(of value: UnsafeRawBufferPointer, _ key: Int) -> UInt64? {
        guard let word = word(value), word & 0xFFFF == key else { return nil }
        let expected = self.value(key, word >> 16)
        guard expected.count == value.count,
            expected.withUnsafeBytes({ memcmp($0.baseAddress!, value.baseAddress!, $0.count) }) == 0
        else { return nil }
        return word >> 16
    }

    // MARK: Running

    /// Returns what was wrong.
    package func run() -> String? {
        attempt { () throws(StoreError) in
            for key in 0..<Self.staying {
                begin(key, 3)
                try store.put(Self.value(key, 1), forKey: Self.key(key))
                acknowledge(key, 3)
            }
        }
        var bodies: [@Sendable () -> Void] = (0..<Self.writers).map { number in
            let random = SplitMix(seed: seed &+ UInt64(number))
            return { [self] in
                var writer = StressWriter(
                    stress: self, number: number, of: Self.writers, random: random)
                attempt { () throws(StoreError) in
                    try repeated { () throws(StoreError) in try writer.step() }
                }
            }
        }
        bodies += (0..<3).map { number in
            let random = SplitMix(seed: seed &+ 100 &+ UInt64(number))
            return { [self] in
                var reader = StressReader(stress: self, scans: number == 0, random: random)
                attempt { () throws(StoreError) in
                    try repeated { () throws(StoreError) in try reader.step() }
                }
            }
        }
        if closesEarly {
            bodies.append { [self] in
                while cells[Self.operationsCell] < 2000, cells.problem == nil { usleep(200) }
                attempt { () throws(StoreError) in try store.close() }
            }
        }
        Threads.run(bodies)
        attempt { () throws(StoreError) in
            if !closesEarly { try verify(store) }
            try store.close()
            try verify(reopened())
        }
        return cells.problem
    }

    private func repeated(_ step: () throws(StoreError) -> Void) throws(StoreError) {
        for _ in 0..<steps where cells.problem == nil {
            try step()
            cells.add(1, to: Self.operationsCell)
        }
    }

    private func attempt(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) {
            try body()
        } catch {
            if error.code != .closed || !closesEarly { cells.report("\(error)") }
        }
    }

    private func reopened() throws(StoreError) -> PmemStore {
        if let path { return try PmemStore.open(at: path, options: options) }
        medium!.reopen()
        return try PmemStore.open(on: medium!, options: options)
    }

    private func verify(_ store: PmemStore) throws(StoreError) {
        for key in 0..<Self.keys {
            let state = acknowledged(key)
            let found = try store.get(Self.key(key))
            let expected = state & 1 == 1 ? Self.value(key, state >> 1) : nil
            if found != expected { cells.report("key \(key) is not what was acknowledged") }
        }
        let count = try store.get(Self.counter).flatMap { $0.withUnsafeBytes(Self.word) } ?? 0
        if count != cells[Self.counterCell] { cells.report("an update of the counter is lost") }
    }
}
