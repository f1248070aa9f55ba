#include "leveldb_shim.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>

struct leveldb_shim {
    std::unique_ptr<const leveldb::FilterPolicy> filter;
    std::unique_ptr<leveldb::Cache> cache;
    std::unique_ptr<leveldb::DB> db;
    std::atomic<bool> sync{true};
};

struct leveldb_shim_reader {
    leveldb_shim *owner;
    std::string value;
};

static thread_local std::string last_error;

static int outcome(const leveldb::Status &status) {
    if (status.ok()) return 0;
    if (status.IsNotFound()) return 1;
    last_error = status.ToString();
    return -1;
}

static leveldb::Slice slice(const void *bytes, size_t size) {
    return leveldb::Slice(static_cast<const char *>(bytes), size);
}

leveldb_shim *leveldb_shim_open(const char *path, const leveldb_shim_options *wanted) {
    auto shim = std::make_unique<leveldb_shim>();
    shim->filter.reset(leveldb::NewBloomFilterPolicy(wanted->bloom_bits));
    shim->cache.reset(leveldb::NewLRUCache(wanted->block_cache_bytes));
    leveldb::Options options;
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = wanted->write_buffer_bytes;
    options.block_cache = shim->cache.get();
    options.filter_policy = shim->filter.get();
    leveldb::DB *db = nullptr;
    if (outcome(leveldb::DB::Open(options, path, &db)) != 0) return nullptr;
    shim->db.reset(db);
    return shim.release();
}

void leveldb_shim_close(leveldb_shim *shim) {
    shim->db.reset();
    delete shim;
}

void leveldb_shim_set_sync(leveldb_shim *shim, bool sync) { shim->sync = sync; }

const char *leveldb_shim_error(void) { return last_error.c_str(); }

leveldb_shim_reader *leveldb_shim_reader_new(leveldb_shim *shim) {
    return new leveldb_shim_reader{shim, {}};
}

void leveldb_shim_reader_free(leveldb_shim_reader *reader) { delete reader; }

int leveldb_shim_put(leveldb_shim *shim, const void *key, size_t key_size, const void *value,
                     size_t value_size) {
    leveldb::WriteOptions options;
    options.sync = shim->sync.load(std::memory_order_relaxed);
    return outcome(shim->db->Put(options, slice(key, key_size), slice(value, value_size)));
}

int leveldb_shim_delete(leveldb_shim *shim, const void *key, size_t key_size) {
    leveldb::WriteOptions options;
    options.sync = shim->sync.load(std::memory_order_relaxed);
    return outcome(shim->db->Delete(options, slice(key, key_size)));
}

int leveldb_shim_get(leveldb_shim_reader *reader, const void *key, size_t key_size, void *buffer,
                     size_t capacity, size_t *value_size) {
    leveldb::ReadOptions options;
    leveldb::Status status =
        reader->owner->db->Get(options, slice(key, key_size), &reader->value);
    if (!status.ok()) return outcome(status);
    *value_size = reader->value.size();
    std::memcpy(buffer, reader->value.data(), std::min(capacity, reader->value.size()));
    return 0;
}

long leveldb_shim_scan(leveldb_shim_reader *reader, const void *from, size_t from_size, long limit,
                       leveldb_shim_visit visit, void *context) {
    std::unique_ptr<leveldb::Iterator> cursor(
        reader->owner->db->NewIterator(leveldb::ReadOptions()));
    if (from == nullptr) cursor->SeekToFirst();
    else cursor->Seek(slice(from, from_size));
    long visited = 0;
    for (; visited < limit && cursor->Valid(); cursor->Next()) {
        leveldb::Slice key = cursor->key(), value = cursor->value();
        visit(context, key.data(), key.size(), value.data(), value.size());
        visited++;
    }
    return outcome(cursor->status()) == 0 ? visited : -1;
}
