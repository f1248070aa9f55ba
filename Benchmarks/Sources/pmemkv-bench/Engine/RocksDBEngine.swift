#if HAVE_ROCKSDB
    import CRocksDBShim

    /// RocksDB: WriteOptions.sync for every put when durable, else its default (the log is written
    /// but not synced); the other options are those its wiki recommends to start from.
    final class RocksDBEngine: Engine {
        nonisolated(unsafe) private let handle: OpaquePointer
        private let isDurable: Bool
        let setup: String

        init(directory: String, isDurable: Bool, profile: DatasetProfile) throws {
            var options = rocksdb_shim_options()
            options.block_cache_bytes = profile.peerCacheBytes
            options.write_buffer_bytes = 64 << 20
            options.bloom_bits = 10
            options.background_jobs = Int32(max(2, profile.processors))
            guard let opened = rocksdb_shim_open(directory, &options) else {
                throw BenchError("rocksdb: " + String(cString: rocksdb_shim_error()))
            }
            handle = opened
            self.isDurable = isDurable
            rocksdb_shim_set_sync(opened, isDurable)
            setup =
                "sync=\(isDurable), wiki's basic tuning: dynamic level bytes, Bloom 10 bits, "
                + "16 KiB blocks, block cache \(profile.peerCacheBytes >> 20) MiB, "
                + "\(max(2, profile.processors)) background jobs, no compression"
        }

        func makeWorker(thread: Int) throws -> Worker {
            Worker(db: handle, reader: rocksdb_shim_reader_new(handle))
        }

        func setRelaxed(_ relaxed: Bool) throws {
            rocksdb_shim_set_sync(handle, !relaxed && isDurable)
        }
        func count() throws -> Int? { try countByScanning(self) }
        func close() throws { rocksdb_shim_close(handle) }

        struct Worker: EngineWorker {
            let db: OpaquePointer
            let reader: OpaquePointer

            private func failure() -> BenchError {
                BenchError("rocksdb: " + String(cString: rocksdb_shim_error()))
            }

            func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
                let status = rocksdb_shim_put(
                    db, key.baseAddress, key.count, value.baseAddress, value.count)
                if status != 0 { throw failure() }
            }

            func get(
                _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
            ) throws -> Int {
                var size = 0
                let status = rocksdb_shim_get(
                    reader, key.baseAddress, key.count, buffer.baseAddress, buffer.count, &size)
                if status < 0 { throw failure() }
                return status == 0 ? size : -1
            }

            /// RocksDB does not say whether a deleted key existed.
            func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
                if rocksdb_shim_delete(db, key.baseAddress, key.count) != 0 { throw failure() }
                return true
            }

            func scan(
                from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
            ) throws -> Int {
                let visited = withUnsafeMutablePointer(to: &sink) {
                    rocksdb_shim_scan(
                        reader, key?.baseAddress, key?.count ?? 0, limit, visitIntoSink, $0)
                }
                if visited < 0 { throw failure() }
                return visited
            }

            func finish() { rocksdb_shim_reader_free(reader) }
        }
    }
#endif
