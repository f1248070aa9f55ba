import CBench
import Foundation

/// floor of reads: checksummed records of the store's size and alignment, found through a table in
/// DRAM (see `floors.h`). Filled once, not timed, each key once; then read by any number of
/// threads.
final class RecordFloor: Engine {
    private let pool: FloorPool
    nonisolated(unsafe) private let table: UnsafeMutablePointer<floor_table>
    private let tableBytes: Int
    private let stride: Int
    private let capacity: Int
    /// The place of each key, by the key's index.
    nonisolated(unsafe) private let places: UnsafeMutablePointer<UInt32>

    init(directory: String, profile: DatasetProfile) throws {
        let record = Int(FLOOR_HEADER) + profile.keySizes.largest + profile.valueSizes.largest
        let line = Int(FLOOR_LINE)
        stride = (record + line - 1) & ~(line - 1)
        capacity = profile.keys
        let bytes = stride * capacity
        pool = try FloorPool(directory: directory, bytes: bytes, atLeast: bytes, threads: 1)
        var slots = 1024
        while slots * 3 < capacity * 4 { slots *= 2 }
        tableBytes = slots * 8
        guard let memory = bench_map_table(tableBytes) else {
            throw BenchError("floor: no memory for \(slots) slots")
        }
        table = .allocate(capacity: 1)
        table.initialize(
            to: floor_table(
                base: UnsafePointer(pool.base.assumingMemoryBound(to: UInt8.self)),
                slots: memory.bindMemory(to: UInt64.self, capacity: slots),
                mask: UInt64(slots - 1)))
        places = .allocate(capacity: capacity)
    }

    let setup = "checksummed records in lines of 64 bytes, 8-byte slots in DRAM"
    func count() throws -> Int? { nil }

    func close() throws {
        munmap(table.pointee.slots, tableBytes)
        table.deallocate()
        places.deallocate()
        pool.close()
    }

    func makeWorker(thread: Int) throws -> Worker { Worker(floor: self, table: table) }

    /// Puts keys in the order in which they come; record after record.
    func fill(_ order: [Operation], keys: KeyCodec, valueSizes: SizeDistribution) {
        let values = ValueSource(sizes: valueSizes)
        let keyBuffer = UnsafeMutableRawPointer.allocate(
            byteCount: keys.bufferBytes, alignment: 64)
        defer {
            values.deallocate()
            keyBuffer.deallocate()
        }
        precondition(order.count <= capacity, "the floor has no room for so many keys")
        for (place, operation) in order.enumerated() {
            let index = Int(operation.index)
            let size = keys.write(index, to: keyBuffer)
            let value = values.value(index, version: 1)
            let record = pool.base + place * stride
            floor_fill(record, keyBuffer, size, value.baseAddress, value.count)
            let hash = SlotTable.hash(UnsafeRawBufferPointer(start: keyBuffer, count: size))
            floor_insert(table, hash, place * stride)
            places[index] = UInt32(place)
        }
    }

    /// Reads the records of these keys at their places, without looking for them, overlapping
    /// neighbours as far as the machine can.
    func readAhead(_ operations: [Operation]) throws -> ThreadOutcome {
        let order = operations.prefix(operations.count & ~3).map { places[Int($0.index)] }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: stride, alignment: 64)
        defer { buffer.deallocate() }
        var outcome = ThreadOutcome()
        outcome.done = order.count
        outcome.cpuAtStart = ProcessUsage.cpuSeconds
        outcome.start = bench_ticks()
        outcome.hits = floor_read_ahead(pool.base, stride, order, order.count, buffer)
        outcome.end = bench_ticks()
        outcome.cpuAtEnd = ProcessUsage.cpuSeconds
        outcome.misses = outcome.done - outcome.hits
        return outcome
    }

    struct Worker: EngineWorker {
        private let floor: RecordFloor
        private let table: UnsafePointer<floor_table>

        fileprivate init(floor: RecordFloor, table: UnsafeMutablePointer<floor_table>) {
            self.floor = floor
            self.table = UnsafePointer(table)
        }

        @inline(__always)
        func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int {
            let size = floor_get(
                table, SlotTable.hash(key), key.baseAddress, key.count, buffer.baseAddress)
            if size < -1 { throw BenchError("floor: a record is damaged") }
            return size
        }

        func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            throw BenchError("this floor is filled once")
        }

        func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            throw BenchError("this floor is filled once")
        }

        func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int { throw BenchError("this floor has no scans") }

        func finish() {}
    }
}
