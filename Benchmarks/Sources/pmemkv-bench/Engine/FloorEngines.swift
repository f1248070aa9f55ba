import CBench
import Foundation
import PmemPlaces

/// The physical floors: what the medium itself costs, through libpmem, with nothing of a store.

/// A mapped file that threads append to, each in a region of its own, round and round.
final class FloorPool: Sendable {
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    /// Bytes in use: of a device no more than a file would have, and perhaps fewer.
    let size: Int
    let regionSize: Int
    /// Whether records are made durable as the store would do it without a system call.
    let isPmem: Bool
    private let mappedSize: Int
    /// Where each thread goes on: a workload must not write over what the one before it left.
    nonisolated(unsafe) fileprivate let positions: UnsafeMutablePointer<Int>

    init(directory: String, bytes: Int, atLeast least: Int = 0, threads: Int) throws {
        var mapped = 0
        var pmem: Int32 = 0
        let isDevice = KVRunner.isDevice(directory)
        let path = isDevice ? directory : directory + "/floor.pool"
        let flags = isDevice ? 0 : PMEM_FILE_CREATE
        guard let address = pmem_map_file(path, isDevice ? 0 : bytes, flags, 0o644, &mapped, &pmem)
        else { throw BenchError("floor: " + String(cString: pmem_errormsg())) }
        guard mapped >= least else {
            pmem_unmap(address, mapped)
            throw BenchError("floor: \(path) has \(mapped) bytes, \(least) are needed")
        }
        base = address
        size = min(bytes, mapped)
        mappedSize = mapped
        do throws(PlaceFacts.Refusal) {
            isPmem = try DurabilityDecision(mappedAt: path, isPmem: pmem != 0).strategy
                .isSynchronous
        } catch {
            pmem_unmap(address, mapped)
            throw BenchError("floor: \(error.reason)")
        }
        regionSize = size / max(1, threads) & ~4095
        positions = .allocate(capacity: max(1, threads))
        positions.initialize(repeating: 0, count: max(1, threads))
        // First touch is not what is measured here.
        pmem_memset_persist(base, 0, size)
    }

    func close() {
        pmem_unmap(base, mappedSize)
        positions.deallocate()
    }

    var setup: String {
        isPmem ? "pmem_memcpy_persist, packed records" : "memcpy and pmem_msync, packed records"
    }
}

/// One thread's place in a `FloorPool`.
struct FloorAppender {
    let region: UnsafeMutableRawPointer
    let capacity: Int
    let isPmem: Bool
    let staging: UnsafeMutableRawPointer
    private let kept: UnsafeMutablePointer<Int>
    private var position: Int

    init(pool: FloorPool, thread: Int, largestRecord: Int) {
        region = pool.base + thread * pool.regionSize
        capacity = pool.regionSize
        isPmem = pool.isPmem
        staging = .allocate(byteCount: largestRecord + 64, alignment: 64)
        kept = pool.positions + thread
        position = kept.pointee
    }

    func finish() {
        kept.pointee = position
        staging.deallocate()
    }

    /// Makes the first `size` bytes of the staging buffer durable behind the record before.
    @inline(__always)
    mutating func append(_ size: Int) -> UnsafeMutableRawPointer {
        if position + size > capacity { position = 0 }
        let place = region + position
        if isPmem {
            pmem_memcpy_persist(place, staging, size)
        } else {
            place.copyMemory(from: staging, byteCount: size)
            pmem_msync(place, size)
        }
        position += size
        return place
    }
}

/// floor-append: key and value, appended, one drain. Reads copy the value of some record without
/// looking for it: what one random access to the medium costs.
final class AppendFloor: Engine {
    private let pool: FloorPool
    private let recordSize: Int
    private let largest: Int

    init(directory: String, profile: DatasetProfile) throws {
        pool = try FloorPool(
            directory: directory, bytes: profile.floorPoolBytes, threads: profile.threads + 1)
        largest = profile.keySizes.largest + profile.valueSizes.largest
        recordSize = max(8, Int(profile.keySizes.mean + profile.valueSizes.mean))
    }

    var setup: String { pool.setup }
    func count() throws -> Int? { nil }
    func close() throws { pool.close() }

    func makeWorker(thread: Int) throws -> Worker {
        let records = pool.regionSize * 1 / recordSize
        return Worker(
            appender: FloorAppender(pool: pool, thread: thread, largestRecord: largest),
            recordSize: recordSize, records: max(1, records - 1))
    }

    struct Worker: EngineWorker {
        var appender: FloorAppender
        let recordSize: Int
        let records: Int

        @inline(__always)
        mutating func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            let staging = appender.staging
            staging.copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
            (staging + key.count).copyMemory(
                from: value.baseAddress.unsafelyUnwrapped, byteCount: value.count)
            _ = appender.append(key.count + value.count)
        }

        @inline(__always)
        mutating func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int {
            let slot = KeyCodec.index(of: key) % records
            let size = max(0, recordSize - key.count)
            let copied = min(size, buffer.count)
            buffer.baseAddress.unsafelyUnwrapped.copyMemory(
                from: appender.region + slot * recordSize + key.count, byteCount: copied)
            return size
        }

        mutating func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            appender.staging.copyMemory(
                from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
            _ = appender.append(key.count)
            return true
        }

        mutating func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int {
            let first = key.map { KeyCodec.index(of: $0) % records } ?? 0
            let count = min(limit, records - first)
            for slot in first..<first + count {
                let record = appender.region + slot * recordSize
                sink.visit(record, 8, record, recordSize)
            }
            return count
        }

        func finish() { appender.finish() }
    }
}
