/*
 * LevelDB and RocksDB through their own C++ interfaces, as their authors use them: the C bindings
 * would cost one more allocation a read. Both have the same calls here, so that one engine serves
 * both; a call through a pointer is nothing beside what they do in it.
 *
 * Functions return 0 for success, 1 for "no such key", -1 for an error (text in `error`, per
 * thread). A reader belongs to one thread.
 */
#ifndef LOG_TREE_H
#define LOG_TREE_H
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*log_tree_visit)(void *context, const void *key, size_t key_size, const void *value,
                               size_t value_size);

typedef struct {
    size_t block_cache_bytes;
    size_t write_buffer_bytes;
    int bloom_bits;
    /* RocksDB alone has a number of them. */
    int background_jobs;
} log_tree_options;

typedef struct {
    void *(*open)(const char *path, const log_tree_options *options);
    void (*close)(void *tree);
    void (*set_sync)(void *tree, bool sync);
    const char *(*error)(void);

    void *(*reader_new)(void *tree);
    void (*reader_free)(void *reader);

    int (*put)(void *tree, const void *key, size_t key_size, const void *value, size_t value_size);
    int (*remove)(void *tree, const void *key, size_t key_size);
    int (*get)(void *reader, const void *key, size_t key_size, void *buffer, size_t capacity,
               size_t *value_size);
    long (*scan)(void *reader, const void *from, size_t from_size, long limit,
                 log_tree_visit visit, void *context);
} log_tree_calls;

/* NULL: that library was not there when this was built. */
const log_tree_calls *log_tree_leveldb(void);
const log_tree_calls *log_tree_rocksdb(void);

#ifdef __cplusplus
}
#endif
#endif
