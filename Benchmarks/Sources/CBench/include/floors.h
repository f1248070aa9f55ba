/*
 * Floors of reads: the least that a store with a table in DRAM and checksummed records on the
 * medium can do, over records of the store's size and alignment. No locks, no growth, no removal.
 *
 * A record begins at a multiple of 64 bytes: checksum and key size (4 bytes each), value size (8),
 * 16 unused bytes where a store keeps its own numbers, then key and value. The checksum covers
 * everything behind its own eight bytes, up to a multiple of eight; what is unused there is zero.
 *
 * A slot of the table is a 16-bit tag over a 48-bit place, the record's offset plus one; an empty
 * one is 0.
 */
#ifndef FLOORS_H
#define FLOORS_H

#include "cbench.h"

enum { FLOOR_HEADER = 32, FLOOR_LINE = 64 };

struct floor_table {
    const uint8_t *base;
    uint64_t *slots;
    uint64_t mask;
};

/* CRC32C of eight more bytes, by the processor's instruction. */
static inline uint64_t floor_crc(uint64_t crc, uint64_t word) {
#if defined(__x86_64__)
    __asm__("crc32q %1, %0" : "+r"(crc) : "r"(word));
#elif defined(__aarch64__)
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
#else
#error "this processor has no CRC32C instruction that the floors know"
#endif
    return crc;
}

static inline uint32_t floor_key_size(const uint8_t *record) {
    uint32_t size;
    memcpy(&size, record + 4, sizeof size);
    return size;
}

static inline size_t floor_value_size(const uint8_t *record) { return bench_word(record + 8); }

/* Where the checksum ends. */
static inline size_t floor_end(const uint8_t *record) {
    return (FLOOR_HEADER + floor_key_size(record) + floor_value_size(record) + 7) & ~(size_t)7;
}

static inline uint32_t floor_checksum(const uint8_t *record) {
    uint64_t crc = 0;
    size_t end = floor_end(record);
    for (size_t at = 8; at < end; at += 8) crc = floor_crc(crc, bench_word(record + at));
    return (uint32_t)crc;
}

static inline bool floor_is_whole(const uint8_t *record) {
    uint32_t stored;
    memcpy(&stored, record, sizeof stored);
    return stored == floor_checksum(record);
}

static inline bool floor_has_key(const uint8_t *record, const void *key, size_t size) {
    return floor_key_size(record) == size && memcmp(record + FLOOR_HEADER, key, size) == 0;
}

/* The record of a key, or NULL. */
static inline const uint8_t *floor_find(const struct floor_table *table, uint64_t hash,
                                        const void *key, size_t size) {
    for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        uint64_t slot = table->slots[at];
        if (slot == 0) return NULL;
        if (slot >> 48 != hash >> 48) continue;
        const uint8_t *record = table->base + (slot & 0xffffffffffff) - 1;
        if (floor_has_key(record, key, size)) return record;
    }
}

/*
 * Looks a key up, compares it, verifies the record and copies its value, which must fit. The size
 * of the value; -1 when there is no such key, -2 when the record is damaged.
 */
static inline ssize_t floor_get(const struct floor_table *table, uint64_t hash, const void *key,
                                size_t size, void *buffer) {
    const uint8_t *record = floor_find(table, hash, key, size);
    if (record == NULL) return -1;
    if (!floor_is_whole(record)) return -2;
    size_t count = floor_value_size(record);
    memcpy(buffer, record + FLOOR_HEADER + size, count);
    return (ssize_t)count;
}

/* Puts a record together at a place of the table's medium. */
void floor_fill(uint8_t *record, const void *key, size_t key_size, const void *value,
                size_t value_size);

/* Points a free slot at a record. The key must be new, and the table have room. */
void floor_insert(struct floor_table *table, uint64_t hash, size_t offset);

/*
 * Reads records at known places, one after the other, as fast as the machine can: their lines are
 * prefetched ahead, and the checksums of four records are computed side by side. `records` are
 * numbers of places of `stride` bytes, `count` a multiple of four, and all records of one size.
 * The number of records that were whole; the last value is in `buffer`.
 */
size_t floor_read_ahead(const uint8_t *base, size_t stride, const uint32_t *records, size_t count,
                        void *buffer);

/*
 * Writes `count` bytes from `source` over the medium at `target` in pieces of `piece` bytes with
 * libpmem's non-temporal stores, and waits once, at the end.
 */
void floor_stream(void *target, const void *source, size_t piece, size_t count);

#endif
