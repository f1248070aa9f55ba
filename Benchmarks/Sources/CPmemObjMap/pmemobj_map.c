#define _GNU_SOURCE
#include "pmemobj_map.h"

#include <libpmemobj.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STRIPES = 1024, TYPE_BUCKETS = 1, TYPE_ENTRY = 2 };

/* On the medium. Offsets, not PMEMoids: half the size, and everything is in one pool. */
struct root {
    uint64_t bucket_count;
    PMEMoid buckets;
};

struct entry {
    uint64_t next; /* offset in the pool; 0 ends the chain */
    uint32_t key_size;
    uint32_t value_size;
    char bytes[]; /* key, then value */
};

struct pmemobj_map {
    PMEMobjpool *pool;
    uint64_t pool_uuid;
    uint64_t bucket_count;
    uint64_t *buckets;
    pthread_rwlock_t stripes[STRIPES];
};

const char *pmemobj_map_error(void) { return pmemobj_errormsg(); }

static uint64_t hash(const unsigned char *bytes, size_t size) {
    uint64_t state = size * 0x9e3779b97f4a7c15u;
    while (size > 0) {
        uint64_t word = 0;
        size_t step = size < 8 ? size : 8;
        memcpy(&word, bytes, step);
        state = (state ^ word) * 0xff51afd7ed558ccdu;
        state ^= state >> 32;
        bytes += step;
        size -= step;
    }
    return state;
}

static struct entry *entry_at(struct pmemobj_map *map, uint64_t offset) {
    return (struct entry *)((char *)map->pool + offset);
}

static PMEMoid oid_of(struct pmemobj_map *map, uint64_t offset) {
    return (PMEMoid){.pool_uuid_lo = map->pool_uuid, .off = offset};
}

static struct pmemobj_map *attach(PMEMobjpool *pool) {
    PMEMoid root_oid = pmemobj_root(pool, sizeof(struct root));
    struct root *root = pmemobj_direct(root_oid);
    struct pmemobj_map *map = calloc(1, sizeof *map);
    if (map == NULL) return NULL;
    map->pool = pool;
    map->pool_uuid = root_oid.pool_uuid_lo;
    map->bucket_count = root->bucket_count;
    map->buckets = pmemobj_direct(root->buckets);
    for (int i = 0; i < STRIPES; i++) pthread_rwlock_init(&map->stripes[i], NULL);
    return map;
}

pmemobj_map *pmemobj_map_create(const char *path, size_t pool_bytes, uint64_t buckets) {
    int enabled = 1;
    PMEMobjpool *pool = pmemobj_create(path, "bench-hashmap", pool_bytes, 0644);
    if (pool == NULL) return NULL;
    pmemobj_ctl_set(pool, "stats.enabled", &enabled);
    struct root *root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
    if (pmemobj_zalloc(pool, &root->buckets, buckets * sizeof(uint64_t), TYPE_BUCKETS) != 0) {
        pmemobj_close(pool);
        return NULL;
    }
    root->bucket_count = buckets;
    pmemobj_persist(pool, &root->bucket_count, sizeof root->bucket_count);
    return attach(pool);
}

pmemobj_map *pmemobj_map_open(const char *path) {
    PMEMobjpool *pool = pmemobj_open(path, "bench-hashmap");
    return pool == NULL ? NULL : attach(pool);
}

void pmemobj_map_close(pmemobj_map *map) {
    for (int i = 0; i < STRIPES; i++) pthread_rwlock_destroy(&map->stripes[i]);
    pmemobj_close(map->pool);
    free(map);
}

/* The word that points at the entry with this key, or at the end of its chain. */
static uint64_t *find(struct pmemobj_map *map, uint64_t *link, const void *key, size_t key_size) {
    while (*link != 0) {
        struct entry *entry = entry_at(map, *link);
        if (entry->key_size == key_size && memcmp(entry->bytes, key, key_size) == 0) break;
        link = &entry->next;
    }
    return link;
}

/* Allocates, fills and links an entry; inside a transaction. `old` is replaced when not 0. */
static void link_new(struct pmemobj_map *map, uint64_t *link, const void *key, size_t key_size,
                     const void *value, size_t value_size) {
    uint64_t old = *link;
    PMEMoid oid = pmemobj_tx_alloc(sizeof(struct entry) + key_size + value_size, TYPE_ENTRY);
    struct entry *entry = pmemobj_direct(oid);
    entry->next = old == 0 ? 0 : entry_at(map, old)->next;
    entry->key_size = (uint32_t)key_size;
    entry->value_size = (uint32_t)value_size;
    memcpy(entry->bytes, key, key_size);
    memcpy(entry->bytes + key_size, value, value_size);
    pmemobj_tx_add_range_direct(link, sizeof *link);
    *link = oid.off;
    if (old != 0) pmemobj_tx_free(oid_of(map, old));
}

int pmemobj_map_put(pmemobj_map *map, const void *key, size_t key_size, const void *value,
                    size_t value_size) {
    uint64_t bucket = hash(key, key_size) % map->bucket_count;
    pthread_rwlock_t *stripe = &map->stripes[bucket % STRIPES];
    volatile int result = 0;
    pthread_rwlock_wrlock(stripe);
    uint64_t *link = find(map, &map->buckets[bucket], key, key_size);
    struct entry *found = *link == 0 ? NULL : entry_at(map, *link);
    TX_BEGIN(map->pool) {
        if (found != NULL && found->value_size == value_size) {
            pmemobj_tx_add_range_direct(found->bytes + key_size, value_size);
            memcpy(found->bytes + key_size, value, value_size);
        } else {
            link_new(map, link, key, key_size, value, value_size);
        }
    } TX_ONABORT {
        result = -1;
    } TX_END
    pthread_rwlock_unlock(stripe);
    return result;
}

int pmemobj_map_get(pmemobj_map *map, const void *key, size_t key_size, void *buffer,
                    size_t capacity, size_t *value_size) {
    uint64_t bucket = hash(key, key_size) % map->bucket_count;
    pthread_rwlock_t *stripe = &map->stripes[bucket % STRIPES];
    pthread_rwlock_rdlock(stripe);
    uint64_t *link = find(map, &map->buckets[bucket], key, key_size);
    int result = *link == 0 ? 1 : 0;
    if (result == 0) {
        struct entry *entry = entry_at(map, *link);
        *value_size = entry->value_size;
        memcpy(buffer, entry->bytes + key_size,
               entry->value_size < capacity ? entry->value_size : capacity);
    }
    pthread_rwlock_unlock(stripe);
    return result;
}

int pmemobj_map_delete(pmemobj_map *map, const void *key, size_t key_size) {
    uint64_t bucket = hash(key, key_size) % map->bucket_count;
    pthread_rwlock_t *stripe = &map->stripes[bucket % STRIPES];
    volatile int result = 1;
    pthread_rwlock_wrlock(stripe);
    uint64_t *link = find(map, &map->buckets[bucket], key, key_size);
    if (*link != 0) {
        uint64_t old = *link;
        result = 0;
        TX_BEGIN(map->pool) {
            pmemobj_tx_add_range_direct(link, sizeof *link);
            *link = entry_at(map, old)->next;
            pmemobj_tx_free(oid_of(map, old));
        } TX_ONABORT {
            result = -1;
        } TX_END
    }
    pthread_rwlock_unlock(stripe);
    return result;
}

long pmemobj_map_visit_all(pmemobj_map *map, long limit, pmemobj_map_visit visit, void *context) {
    long visited = 0;
    for (uint64_t i = 0; i < map->bucket_count && visited < limit; i++) {
        for (uint64_t at = map->buckets[i]; at != 0 && visited < limit; visited++) {
            struct entry *entry = entry_at(map, at);
            visit(context, entry->bytes, entry->key_size, entry->bytes + entry->key_size,
                  entry->value_size);
            at = entry->next;
        }
    }
    return visited;
}

static void ignore(void *context, const void *key, size_t key_size, const void *value,
                   size_t value_size) {
    (void)context, (void)key, (void)key_size, (void)value, (void)value_size;
}

uint64_t pmemobj_map_count(pmemobj_map *map) {
    return (uint64_t)pmemobj_map_visit_all(map, INT64_MAX, ignore, NULL);
}

uint64_t pmemobj_map_heap_bytes(pmemobj_map *map) {
    uint64_t bytes = 0;
    if (pmemobj_ctl_get(map->pool, "stats.heap.curr_allocated", &bytes) != 0) return 0;
    return bytes;
}
