/// LevelDB and RocksDB: log-structured trees that take the same calls.
enum LogTreeLibrary: String {
    case leveldb, rocksdb

    /// Was it there when the program was built?
    var isBuiltIn: Bool {
        #if HAVE_LOG_TREE
            calls != nil
        #else
            false
        #endif
    }
}

#if HAVE_LOG_TREE
    import CLogTree

    extension LogTreeLibrary {
        fileprivate var calls: UnsafePointer<log_tree_calls>? {
            switch self {
            case .leveldb: log_tree_leveldb()
            case .rocksdb: log_tree_rocksdb()
            }
        }

        /// The set-up as a reader of results sees it; the options themselves are in CLogTree.
        fileprivate func setup(_ options: log_tree_options) -> String {
            let cache = "block cache \(options.block_cache_bytes >> 20) MiB"
            switch self {
            case .leveldb:
                return "Bloom filter \(options.bloom_bits) bits, write buffer "
                    + "\(options.write_buffer_bytes >> 20) MiB, \(cache), no compression"
            case .rocksdb:
                return "wiki's basic tuning: dynamic level bytes, Bloom \(options.bloom_bits) "
                    + "bits, 16 KiB blocks, \(cache), \(options.background_jobs) background jobs, "
                    + "no compression"
            }
        }

        fileprivate func failure() -> BenchError {
            let text = calls?.pointee.error().map { String(cString: $0) }
            return BenchError(rawValue + ": " + (text ?? "no error is known"))
        }
    }

    /// WriteOptions.sync for every put when durable, else the libraries' default: the log is
    /// written but not synced.
    final class LogTreeEngine: Engine {
        private let library: LogTreeLibrary
        nonisolated(unsafe) private let calls: UnsafePointer<log_tree_calls>
        nonisolated(unsafe) private let tree: UnsafeMutableRawPointer
        private let isDurable: Bool
        let setup: String

        init(
            _ library: LogTreeLibrary, directory: String, isDurable: Bool, profile: DatasetProfile
        ) throws {
            guard let calls = library.calls else {
                throw BenchError("\(library.rawValue) is not part of this build")
            }
            var options = log_tree_options()
            options.block_cache_bytes = profile.peerCacheBytes
            options.write_buffer_bytes = 64 << 20
            options.bloom_bits = 10
            options.background_jobs = Int32(max(2, profile.processors))
            guard let opened = calls.pointee.open(directory, &options) else {
                throw library.failure()
            }
            calls.pointee.set_sync(opened, isDurable)
            self.library = library
            self.calls = calls
            tree = opened
            self.isDurable = isDurable
            setup = "sync=\(isDurable), " + library.setup(options)
        }

        func makeWorker(thread: Int) throws -> Worker {
            guard let reader = calls.pointee.reader_new(tree) else { throw library.failure() }
            return Worker(library: library, calls: calls, tree: tree, reader: reader)
        }

        func setRelaxed(_ relaxed: Bool) throws {
            calls.pointee.set_sync(tree, !relaxed && isDurable)
        }
        func count() throws -> Int? { try countByScanning(self) }
        func close() throws { calls.pointee.close(tree) }

        struct Worker: EngineWorker {
            let library: LogTreeLibrary
            let calls: UnsafePointer<log_tree_calls>
            let tree: UnsafeMutableRawPointer
            let reader: UnsafeMutableRawPointer

            func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
                let status = calls.pointee.put(
                    tree, key.baseAddress, key.count, value.baseAddress, value.count)
                if status != 0 { throw library.failure() }
            }

            func get(
                _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
            ) throws -> Int {
                var size = 0
                let status = calls.pointee.get(
                    reader, key.baseAddress, key.count, buffer.baseAddress, buffer.count, &size)
                if status < 0 { throw library.failure() }
                return status == 0 ? size : -1
            }

            /// Neither library says whether a deleted key existed.
            func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
                let status = calls.pointee.remove(tree, key.baseAddress, key.count)
                if status != 0 { throw library.failure() }
                return true
            }

            func scan(
                from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
            ) throws -> Int {
                let visited = withUnsafeMutablePointer(to: &sink) {
                    calls.pointee.scan(
                        reader, key?.baseAddress, key?.count ?? 0, limit, visitIntoSink, $0)
                }
                if visited < 0 { throw library.failure() }
                return visited
            }

            func finish() { calls.pointee.reader_free(reader) }
        }
    }
#endif
