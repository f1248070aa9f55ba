#if HAVE_LEVELDB
    import CLevelDBShim

    /// LevelDB: WriteOptions.sync for every put when durable, else its default (log not synced).
    final class LevelDBEngine: Engine {
        nonisolated(unsafe) private let handle: OpaquePointer
        private let isDurable: Bool
        let setup: String

        init(directory: String, isDurable: Bool, profile: DatasetProfile) throws {
            var options = leveldb_shim_options()
            options.block_cache_bytes = profile.peerCacheBytes
            options.write_buffer_bytes = 64 << 20
            options.bloom_bits = 10
            guard let opened = leveldb_shim_open(directory, &options) else {
                throw BenchError("leveldb: " + String(cString: leveldb_shim_error()))
            }
            handle = opened
            self.isDurable = isDurable
            leveldb_shim_set_sync(opened, isDurable)
            setup =
                "sync=\(isDurable), Bloom filter 10 bits, write buffer 64 MiB, block cache "
                + "\(profile.peerCacheBytes >> 20) MiB, no compression"
        }

        func makeWorker(thread: Int) throws -> Worker {
            Worker(db: handle, reader: leveldb_shim_reader_new(handle))
        }

        func setRelaxed(_ relaxed: Bool) throws {
            leveldb_shim_set_sync(handle, !relaxed && isDurable)
        }
        func count() throws -> Int? { try countByScanning(self) }
        func close() throws { leveldb_shim_close(handle) }

        struct Worker: EngineWorker {
            let db: OpaquePointer
            let reader: OpaquePointer

            private func failure() -> BenchError {
                BenchError("leveldb: " + String(cString: leveldb_shim_error()))
            }

            func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
                let status = leveldb_shim_put(
                    db, key.baseAddress, key.count, value.baseAddress, value.count)
                if status != 0 { throw failure() }
            }

            func get(
                _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
            ) throws -> Int {
                var size = 0
                let status = leveldb_shim_get(
                    reader, key.baseAddress, key.count, buffer.baseAddress, buffer.count, &size)
                if status < 0 { throw failure() }
                return status == 0 ? size : -1
            }

            /// LevelDB does not say whether a deleted key existed.
            func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
                if leveldb_shim_delete(db, key.baseAddress, key.count) != 0 { throw failure() }
                return true
            }

            func scan(
                from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
            ) throws -> Int {
                let visited = withUnsafeMutablePointer(to: &sink) {
                    leveldb_shim_scan(
                        reader, key?.baseAddress, key?.count ?? 0, limit, visitIntoSink, $0)
                }
                if visited < 0 { throw failure() }
                return visited
            }

            func finish() { leveldb_shim_reader_free(reader) }
        }
    }
#endif
