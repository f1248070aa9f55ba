import CPmemObjMap
import Foundation

/// The transactional baseline on libpmemobj (see `pmemobj_map.h`); always durable where the medium
/// is, through libpmemobj's undo log.
final class PmemObjEngine: Engine {
    nonisolated(unsafe) private let map: OpaquePointer
    let setup = "one undo-log transaction per change, buckets for the expected keys, no DRAM state"

    init(directory: String, profile: DatasetProfile) throws {
        let path = directory + "/pmemobj.pool"
        let opened =
            FileManager.default.fileExists(atPath: path)
            ? pmemobj_map_open(path)
            : pmemobj_map_create(path, profile.pmemobjPoolBytes, UInt64(max(profile.keys, 1024)))
        guard let opened else { throw PmemObjEngine.failure() }
        map = opened
    }

    static func failure() -> BenchError {
        BenchError("libpmemobj: " + String(cString: pmemobj_map_error()))
    }

    func makeWorker(thread: Int) throws -> Worker { Worker(map: map) }
    func count() throws -> Int? { Int(pmemobj_map_count(map)) }
    func close() throws { pmemobj_map_close(map) }

    func mediumBytesInUse() -> Int? {
        let bytes = Int(pmemobj_map_heap_bytes(map))
        return bytes > 0 ? bytes : nil
    }

    struct Worker: EngineWorker {
        let map: OpaquePointer

        func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            let status = pmemobj_map_put(
                map, key.baseAddress, key.count, value.baseAddress, value.count)
            if status != 0 { throw failure() }
        }

        func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int {
            var size = 0
            let status = pmemobj_map_get(
                map, key.baseAddress, key.count, buffer.baseAddress, buffer.count, &size)
            return status == 0 ? size : -1
        }

        func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            let status = pmemobj_map_delete(map, key.baseAddress, key.count)
            if status < 0 { throw failure() }
            return status == 0
        }

        func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int {
            if key != nil { throw BenchError("libpmemobj hash map: no key order") }
            return withUnsafeMutablePointer(to: &sink) {
                pmemobj_map_visit_all(map, limit, visitIntoSink, $0)
            }
        }

        func finish() {}
    }
}
