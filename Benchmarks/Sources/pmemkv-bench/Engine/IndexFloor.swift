import CBench
import Foundation
import Synchronization

/// floor-index: the append floor plus a hash table in DRAM from key to record: the least a store
/// with a volatile index can do. 8-byte slots (16-bit tag, 48-bit address in the pool), linear
/// probing, huge pages, sized once; no locks, deletion leaves the record where it is.
/// Threads may use it at the same time; of two that put one key, either may win.
final class IndexFloor: Engine {
    private let pool: FloorPool
    private let table: SlotTable
    private let largest: Int

    init(directory: String, profile: DatasetProfile) throws {
        pool = try FloorPool(
            directory: directory, bytes: profile.indexFloorPoolBytes,
            atLeast: profile.indexFloorBytes, threads: profile.threads + 1)
        table = try SlotTable(expecting: profile.keys * 3 / 2)
        largest = profile.keySizes.largest + profile.valueSizes.largest
    }

    var setup: String { pool.setup + ", 8-byte slots in DRAM" }
    func count() throws -> Int? { nil }

    func close() throws {
        pool.close()
        table.deallocate()
    }

    func makeWorker(thread: Int) throws -> Worker {
        Worker(
            appender: FloorAppender(pool: pool, thread: thread, largestRecord: largest + 8),
            base: pool.base, table: table)
    }

    /// A record is a header word (sizes of key and value), the key and the value, up to a multiple
    /// of 8 bytes.
    struct Worker: EngineWorker {
        var appender: FloorAppender
        let base: UnsafeMutableRawPointer
        let table: SlotTable

        @inline(__always)
        mutating func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            let hash = SlotTable.hash(key)
            table.prefetch(hash)
            let staging = appender.staging
            staging.storeBytes(of: UInt64(key.count) << 32 | UInt64(value.count), as: UInt64.self)
            (staging + 8).copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
            (staging + 8 + key.count).copyMemory(
                from: value.baseAddress.unsafelyUnwrapped, byteCount: value.count)
            let place = appender.append((8 + key.count + value.count + 7) & ~7)
            if !table.insert(hash, key, base, place - UnsafeMutableRawPointer(base)) {
                throw BenchError("floor-index: its table is full")
            }
        }

        @inline(__always)
        mutating func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int {
            guard let record = table.find(SlotTable.hash(key), key, base) else { return -1 }
            let size = Int(UInt32(truncatingIfNeeded: record.load(as: UInt64.self)))
            buffer.baseAddress.unsafelyUnwrapped.copyMemory(
                from: record + 8 + key.count, byteCount: min(size, buffer.count))
            return size
        }

        mutating func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            let staging = appender.staging
            staging.copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
            _ = appender.append((key.count + 7) & ~7)
            return table.find(SlotTable.hash(key), key, base) != nil
        }

        mutating func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int { throw BenchError("floor-index: no scans") }

        func finish() { appender.finish() }
    }
}

/// The table: slot = tag << 48 | (offset + 1), 0 is empty.
final class SlotTable: Sendable {
    nonisolated(unsafe) private let slots: UnsafeMutablePointer<UInt64>
    private let mask: Int

    init(expecting keys: Int) throws {
        var capacity = 1024
        while capacity * 3 < keys * 4 { capacity *= 2 }
        guard let memory = bench_map_table(capacity * 8) else {
            throw BenchError("floor-index: no memory for \(capacity) slots")
        }
        slots = memory.bindMemory(to: UInt64.self, capacity: capacity)
        mask = capacity - 1
        // Mapped before anything is measured.
        for slot in stride(from: 0, to: capacity, by: 512) { slots[slot] = 0 }
    }

    func deallocate() { munmap(slots, (mask + 1) * 8) }

    @inline(__always)
    static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        let start = key.baseAddress.unsafelyUnwrapped
        guard key.count >= 8 else {
            var word: UInt64 = 0
            for byte in key { word = word << 8 | UInt64(byte) }
            return mix(word)
        }
        let head = start.loadUnaligned(as: UInt64.self)
        let tail = (start + (key.count - 8)).loadUnaligned(as: UInt64.self)
        return mix(head ^ tail &* 0x9e37_79b9_7f4a_7c15)
    }

    @inline(__always)
    func prefetch(_ hash: UInt64) { bench_prefetch(slots + (Int(truncatingIfNeeded: hash) & mask)) }

    /// The record of a key, or nil.
    @inline(__always)
    func find(
        _ hash: UInt64, _ key: UnsafeRawBufferPointer, _ base: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer? {
        var at = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = bench_load(slots + at)
            if slot == 0 { return nil }
            if slot >> 48 == hash >> 48 {
                let record = base + Int(slot & 0xffff_ffff_ffff) - 1
                if matches(record, key) { return record }
            }
            at = (at + 1) & mask
        }
    }

    /// Points the key's slot at a new record; false when the table is full.
    @inline(__always)
    func insert(
        _ hash: UInt64, _ key: UnsafeRawBufferPointer, _ base: UnsafeMutableRawPointer,
        _ offset: Int
    ) -> Bool {
        let word = (hash >> 48) << 48 | UInt64(offset + 1)
        var at = Int(truncatingIfNeeded: hash) & mask
        for _ in 0...mask {
            let slot = bench_load(slots + at)
            if slot == 0 {
                if bench_compare_and_set(slots + at, 0, word) { return true }
                continue
            }
            if slot >> 48 == hash >> 48,
                matches(base + Int(slot & 0xffff_ffff_ffff) - 1, key)
            {
                bench_store(slots + at, word)
                return true
            }
            at = (at + 1) & mask
        }
        return false
    }

    @inline(__always)
    private func matches(
        _ record: UnsafeMutableRawPointer, _ key: UnsafeRawBufferPointer
    ) -> Bool {
        record.load(as: UInt64.self) >> 32 == UInt64(key.count)
            && memcmp(record + 8, key.baseAddress.unsafelyUnwrapped, key.count) == 0
    }
}
