#include "log_tree_calls.hpp"

#ifdef HAVE_LEVELDB
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

namespace {
struct LevelDB {
    using DB = leveldb::DB;
    using Iterator = leveldb::Iterator;
    using Slice = leveldb::Slice;
    using Status = leveldb::Status;
    using WriteOptions = leveldb::WriteOptions;
    using ReadBuffer = std::string;

    struct Parts {
        std::unique_ptr<const leveldb::FilterPolicy> filter;
        std::unique_ptr<leveldb::Cache> cache;
    };

    static Status open(const char *path, const log_tree_options &wanted, Parts &parts, DB **db) {
        parts.filter.reset(leveldb::NewBloomFilterPolicy(wanted.bloom_bits));
        parts.cache.reset(leveldb::NewLRUCache(wanted.block_cache_bytes));
        leveldb::Options options;
        options.create_if_missing = true;
        options.compression = leveldb::kNoCompression;
        options.write_buffer_size = wanted.write_buffer_bytes;
        options.block_cache = parts.cache.get();
        options.filter_policy = parts.filter.get();
        return DB::Open(options, path, db);
    }

    static leveldb::ReadOptions read_options() { return {}; }

    static Status get(DB *db, const Slice &key, ReadBuffer *value) {
        return db->Get(read_options(), key, value);
    }
};
}  // namespace

const log_tree_calls *log_tree_leveldb(void) { return &LogTree<LevelDB>::calls; }
#else
const log_tree_calls *log_tree_leveldb(void) { return nullptr; }
#endif
