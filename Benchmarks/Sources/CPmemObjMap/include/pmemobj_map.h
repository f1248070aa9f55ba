/*
 * A transactional hash map on libpmemobj: the baseline a reader of its manual would write.
 *
 * - One pool, one bucket array sized for the expected number of keys, chains of entries.
 * - Every change is one transaction (undo log); nothing is cached in DRAM, so opening costs nothing
 *   beyond libpmemobj's own recovery.
 * - An overwrite by a value of the same size snapshots the old value and stores the new one in
 *   place; another size allocates a new entry and frees the old one in the same transaction.
 * - Locks are volatile and striped over the buckets: a reader shares a stripe, a writer owns it.
 *
 * Functions return 0 for success, 1 for "no such key", -1 for an error (`pmemobj_map_error`).
 */
#ifndef PMEMOBJ_MAP_H
#define PMEMOBJ_MAP_H
#include <stddef.h>
#include <stdint.h>

typedef struct pmemobj_map pmemobj_map;
typedef void (*pmemobj_map_visit)(void *context, const void *key, size_t key_size,
                                  const void *value, size_t value_size);

pmemobj_map *pmemobj_map_create(const char *path, size_t pool_bytes, uint64_t buckets);
pmemobj_map *pmemobj_map_open(const char *path);
void pmemobj_map_close(pmemobj_map *map);
const char *pmemobj_map_error(void);

int pmemobj_map_put(pmemobj_map *map, const void *key, size_t key_size, const void *value,
                    size_t value_size);
int pmemobj_map_get(pmemobj_map *map, const void *key, size_t key_size, void *buffer,
                    size_t capacity, size_t *value_size);
int pmemobj_map_delete(pmemobj_map *map, const void *key, size_t key_size);

/* Visits up to `limit` entries in bucket order (there is no key order); the number visited. */
long pmemobj_map_visit_all(pmemobj_map *map, long limit, pmemobj_map_visit visit, void *context);

uint64_t pmemobj_map_count(pmemobj_map *map);

/* Bytes of the heap in use, or 0 when libpmemobj keeps no statistics. */
uint64_t pmemobj_map_heap_bytes(pmemobj_map *map);

#endif
