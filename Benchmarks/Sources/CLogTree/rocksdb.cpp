#include "log_tree_calls.hpp"

#ifdef HAVE_ROCKSDB
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

namespace {
struct RocksDB {
    using DB = rocksdb::DB;
    using Iterator = rocksdb::Iterator;
    using Slice = rocksdb::Slice;
    using Status = rocksdb::Status;
    using WriteOptions = rocksdb::WriteOptions;
    using ReadBuffer = rocksdb::PinnableSlice;
    struct Parts {};

    /* The wiki's "Setup Options and Basic Tuning", with the caller's block cache and jobs. */
    static rocksdb::Options recommended(const log_tree_options &wanted) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.compression = rocksdb::kNoCompression;
        options.write_buffer_size = wanted.write_buffer_bytes;
        options.level_compaction_dynamic_level_bytes = true;
        options.max_background_jobs = wanted.background_jobs;
        options.bytes_per_sync = 1 << 20;
        options.compaction_pri = rocksdb::kMinOverlappingRatio;
        rocksdb::BlockBasedTableOptions table;
        table.block_cache = rocksdb::NewLRUCache(wanted.block_cache_bytes);
        table.block_size = 16 << 10;
        table.cache_index_and_filter_blocks = true;
        table.pin_l0_filter_and_index_blocks_in_cache = true;
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(wanted.bloom_bits, false));
        table.format_version = 5;
        options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
        return options;
    }

    static Status open(const char *path, const log_tree_options &wanted, Parts &, DB **db) {
        return DB::Open(recommended(wanted), path, db);
    }

    static rocksdb::ReadOptions read_options() { return {}; }

    static Status get(DB *db, const Slice &key, ReadBuffer *value) {
        value->Reset();
        return db->Get(read_options(), db->DefaultColumnFamily(), key, value);
    }
};
}  // namespace

const log_tree_calls *log_tree_rocksdb(void) { return &LogTree<RocksDB>::calls; }
#else
const log_tree_calls *log_tree_rocksdb(void) { return nullptr; }
#endif
