/*
 * RocksDB through its own C++ interface, as its authors use it: the C binding would cost one more
 * allocation a read. Functions return 0 for success, 1 for "no such key", -1 for an error
 * (text in `rocksdb_shim_error`). A reader belongs to one thread.
 */
#ifndef ROCKSDB_SHIM_H
#define ROCKSDB_SHIM_H
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rocksdb_shim rocksdb_shim;
typedef struct rocksdb_shim_reader rocksdb_shim_reader;
typedef void (*rocksdb_shim_visit)(void *context, const void *key, size_t key_size,
                                   const void *value, size_t value_size);

typedef struct {
    size_t block_cache_bytes;
    size_t write_buffer_bytes;
    int bloom_bits;
    int background_jobs;
} rocksdb_shim_options;

rocksdb_shim *rocksdb_shim_open(const char *path, const rocksdb_shim_options *options);
void rocksdb_shim_close(rocksdb_shim *db);
void rocksdb_shim_set_sync(rocksdb_shim *db, bool sync);
const char *rocksdb_shim_error(void);

rocksdb_shim_reader *rocksdb_shim_reader_new(rocksdb_shim *db);
void rocksdb_shim_reader_free(rocksdb_shim_reader *reader);

int rocksdb_shim_put(rocksdb_shim *db, const void *key, size_t key_size, const void *value,
                     size_t value_size);
int rocksdb_shim_delete(rocksdb_shim *db, const void *key, size_t key_size);
int rocksdb_shim_get(rocksdb_shim_reader *reader, const void *key, size_t key_size, void *buffer,
                     size_t capacity, size_t *value_size);
long rocksdb_shim_scan(rocksdb_shim_reader *reader, const void *from, size_t from_size, long limit,
                       rocksdb_shim_visit visit, void *context);

#ifdef __cplusplus
}
#endif
#endif
