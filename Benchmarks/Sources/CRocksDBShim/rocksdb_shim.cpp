#include "rocksdb_shim.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>

struct rocksdb_shim {
    std::unique_ptr<rocksdb::DB> db;
    std::atomic<bool> sync{true};
};

struct rocksdb_shim_reader {
    rocksdb_shim *owner;
    rocksdb::PinnableSlice value;
};

static thread_local std::string last_error;

static int outcome(const rocksdb::Status &status) {
    if (status.ok()) return 0;
    if (status.IsNotFound()) return 1;
    last_error = status.ToString();
    return -1;
}

static rocksdb::Slice slice(const void *bytes, size_t size) {
    return rocksdb::Slice(static_cast<const char *>(bytes), size);
}

/* The wiki's "Setup Options and Basic Tuning", with the caller's block cache and jobs. */
static rocksdb::Options recommended(const rocksdb_shim_options *wanted) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = wanted->write_buffer_bytes;
    options.level_compaction_dynamic_level_bytes = true;
    options.max_background_jobs = wanted->background_jobs;
    options.bytes_per_sync = 1 << 20;
    options.compaction_pri = rocksdb::kMinOverlappingRatio;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(wanted->block_cache_bytes);
    table.block_size = 16 << 10;
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(wanted->bloom_bits, false));
    table.format_version = 5;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

rocksdb_shim *rocksdb_shim_open(const char *path, const rocksdb_shim_options *wanted) {
    auto shim = std::make_unique<rocksdb_shim>();
    rocksdb::DB *db = nullptr;
    if (outcome(rocksdb::DB::Open(recommended(wanted), path, &db)) != 0) return nullptr;
    shim->db.reset(db);
    return shim.release();
}

void rocksdb_shim_close(rocksdb_shim *shim) {
    if (outcome(shim->db->Close()) != 0) last_error = "close: " + last_error;
    delete shim;
}

void rocksdb_shim_set_sync(rocksdb_shim *shim, bool sync) { shim->sync = sync; }

const char *rocksdb_shim_error(void) { return last_error.c_str(); }

rocksdb_shim_reader *rocksdb_shim_reader_new(rocksdb_shim *shim) {
    auto reader = new rocksdb_shim_reader;
    reader->owner = shim;
    return reader;
}

void rocksdb_shim_reader_free(rocksdb_shim_reader *reader) { delete reader; }

int rocksdb_shim_put(rocksdb_shim *shim, const void *key, size_t key_size, const void *value,
                     size_t value_size) {
    rocksdb::WriteOptions options;
    options.sync = shim->sync.load(std::memory_order_relaxed);
    return outcome(shim->db->Put(options, slice(key, key_size), slice(value, value_size)));
}

int rocksdb_shim_delete(rocksdb_shim *shim, const void *key, size_t key_size) {
    rocksdb::WriteOptions options;
    options.sync = shim->sync.load(std::memory_order_relaxed);
    return outcome(shim->db->Delete(options, slice(key, key_size)));
}

int rocksdb_shim_get(rocksdb_shim_reader *reader, const void *key, size_t key_size, void *buffer,
                     size_t capacity, size_t *value_size) {
    rocksdb::DB *db = reader->owner->db.get();
    reader->value.Reset();
    rocksdb::Status status = db->Get(
        rocksdb::ReadOptions(), db->DefaultColumnFamily(), slice(key, key_size), &reader->value);
    if (!status.ok()) return outcome(status);
    *value_size = reader->value.size();
    std::memcpy(buffer, reader->value.data(), std::min(capacity, reader->value.size()));
    return 0;
}

long rocksdb_shim_scan(rocksdb_shim_reader *reader, const void *from, size_t from_size, long limit,
                       rocksdb_shim_visit visit, void *context) {
    std::unique_ptr<rocksdb::Iterator> cursor(
        reader->owner->db->NewIterator(rocksdb::ReadOptions()));
    if (from == nullptr) cursor->SeekToFirst();
    else cursor->Seek(slice(from, from_size));
    long visited = 0;
    for (; visited < limit && cursor->Valid(); cursor->Next()) {
        rocksdb::Slice key = cursor->key(), value = cursor->value();
        visit(context, key.data(), key.size(), value.data(), value.size());
        visited++;
    }
    return outcome(cursor->status()) == 0 ? visited : -1;
}
