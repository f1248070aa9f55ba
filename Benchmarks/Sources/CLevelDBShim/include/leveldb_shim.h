/*
 * LevelDB through its own C++ interface, as its authors use it: the C binding would cost one more
 * allocation and copy a read. Functions return 0 for success, 1 for "no such key", -1 for an error
 * (text in `leveldb_shim_error`). A reader belongs to one thread.
 */
#ifndef LEVELDB_SHIM_H
#define LEVELDB_SHIM_H
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leveldb_shim leveldb_shim;
typedef struct leveldb_shim_reader leveldb_shim_reader;
typedef void (*leveldb_shim_visit)(void *context, const void *key, size_t key_size,
                                   const void *value, size_t value_size);

typedef struct {
    size_t block_cache_bytes;
    size_t write_buffer_bytes;
    int bloom_bits;
} leveldb_shim_options;

leveldb_shim *leveldb_shim_open(const char *path, const leveldb_shim_options *options);
void leveldb_shim_close(leveldb_shim *db);
void leveldb_shim_set_sync(leveldb_shim *db, bool sync);
const char *leveldb_shim_error(void);

leveldb_shim_reader *leveldb_shim_reader_new(leveldb_shim *db);
void leveldb_shim_reader_free(leveldb_shim_reader *reader);

int leveldb_shim_put(leveldb_shim *db, const void *key, size_t key_size, const void *value,
                     size_t value_size);
int leveldb_shim_delete(leveldb_shim *db, const void *key, size_t key_size);
int leveldb_shim_get(leveldb_shim_reader *reader, const void *key, size_t key_size, void *buffer,
                     size_t capacity, size_t *value_size);
long leveldb_shim_scan(leveldb_shim_reader *reader, const void *from, size_t from_size, long limit,
                       leveldb_shim_visit visit, void *context);

#ifdef __cplusplus
}
#endif
#endif
