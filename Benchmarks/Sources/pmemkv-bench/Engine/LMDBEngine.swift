#if HAVE_LMDB
    import CLMDB

    /// LMDB: one write transaction per put. Durable: the default flags, a commit is synced. Not
    /// durable: MDB_NOSYNC and MDB_WRITEMAP. Reads renew one read transaction per thread, as the
    /// manual recommends for many short reads.
    final class LMDBEngine: Engine {
        nonisolated(unsafe) private let environment: OpaquePointer
        private let database: MDB_dbi
        private let isDurable: Bool
        let setup: String

        init(directory: String, isDurable: Bool, profile: DatasetProfile) throws {
            var opened: OpaquePointer?
            try check(mdb_env_create(&opened))
            environment = opened!
            try check(mdb_env_set_mapsize(environment, profile.lmdbMapBytes))
            try check(mdb_env_set_maxreaders(environment, 126))
            let flags = UInt32(isDurable ? 0 : MDB_NOSYNC | MDB_WRITEMAP) | UInt32(MDB_NOTLS)
            try check(mdb_env_open(environment, directory, flags, 0o644))
            var transaction: OpaquePointer?
            var opening = MDB_dbi()
            try check(mdb_txn_begin(environment, nil, 0, &transaction))
            try check(mdb_dbi_open(transaction, nil, 0, &opening))
            try check(mdb_txn_commit(transaction))
            database = opening
            self.isDurable = isDurable
            setup =
                isDurable
                ? "default flags: synced commit per put; read transactions renewed"
                : "MDB_NOSYNC|MDB_WRITEMAP; read transactions renewed"
        }

        func makeWorker(thread: Int) throws -> Worker {
            var reader: OpaquePointer?
            try check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &reader))
            mdb_txn_reset(reader)
            return Worker(environment: environment, database: database, reader: reader!)
        }

        func setRelaxed(_ relaxed: Bool) throws {
            guard isDurable else { return }
            try check(mdb_env_set_flags(environment, UInt32(MDB_NOSYNC), relaxed ? 1 : 0))
            if !relaxed { try check(mdb_env_sync(environment, 1)) }
        }

        func count() throws -> Int? {
            var facts = MDB_stat()
            try check(mdb_env_stat(environment, &facts))
            return Int(facts.ms_entries)
        }

        func mediumBytesInUse() -> Int? {
            var facts = MDB_envinfo()
            var pages = MDB_stat()
            guard mdb_env_info(environment, &facts) == 0, mdb_env_stat(environment, &pages) == 0
            else { return nil }
            return (Int(facts.me_last_pgno) + 1) * Int(pages.ms_psize)
        }

        func close() throws {
            mdb_env_sync(environment, 1)
            mdb_env_close(environment)
        }

        struct Worker: EngineWorker {
            let environment: OpaquePointer
            let database: MDB_dbi
            let reader: OpaquePointer

            func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
                var transaction: OpaquePointer?
                try check(mdb_txn_begin(environment, nil, 0, &transaction))
                var keyView = view(key)
                var valueView = view(value)
                let status = mdb_put(transaction, database, &keyView, &valueView, 0)
                if status != 0 {
                    mdb_txn_abort(transaction)
                    try check(status)
                }
                try check(mdb_txn_commit(transaction))
            }

            func get(
                _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
            ) throws -> Int {
                try check(mdb_txn_renew(reader))
                defer { mdb_txn_reset(reader) }
                var keyView = view(key)
                var found = MDB_val()
                let status = mdb_get(reader, database, &keyView, &found)
                if status == MDB_NOTFOUND { return -1 }
                try check(status)
                let size = min(found.mv_size, buffer.count)
                if size > 0 { buffer.baseAddress!.copyMemory(from: found.mv_data, byteCount: size) }
                return found.mv_size
            }

            func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
                var transaction: OpaquePointer?
                try check(mdb_txn_begin(environment, nil, 0, &transaction))
                var keyView = view(key)
                let status = mdb_del(transaction, database, &keyView, nil)
                if status != 0 {
                    mdb_txn_abort(transaction)
                    if status != MDB_NOTFOUND { try check(status) }
                    return false
                }
                try check(mdb_txn_commit(transaction))
                return true
            }

            func scan(
                from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
            ) throws -> Int {
                try check(mdb_txn_renew(reader))
                defer { mdb_txn_reset(reader) }
                var cursor: OpaquePointer?
                try check(mdb_cursor_open(reader, database, &cursor))
                defer { mdb_cursor_close(cursor) }
                var keyView = key.map(view) ?? MDB_val()
                var found = MDB_val()
                var status = mdb_cursor_get(
                    cursor, &keyView, &found, key == nil ? MDB_FIRST : MDB_SET_RANGE)
                var visited = 0
                while status == 0 {
                    sink.visit(keyView.mv_data, keyView.mv_size, found.mv_data, found.mv_size)
                    visited += 1
                    if visited >= limit { return visited }
                    status = mdb_cursor_get(cursor, &keyView, &found, MDB_NEXT)
                }
                if status != MDB_NOTFOUND { try check(status) }
                return visited
            }

            func finish() { mdb_txn_abort(reader) }
        }
    }

    @inline(__always)
    private func view(_ bytes: UnsafeRawBufferPointer) -> MDB_val {
        MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    @inline(__always)
    private func check(_ status: Int32) throws {
        if status != 0 { throw BenchError("lmdb: " + String(cString: mdb_strerror(status))) }
    }
#endif
