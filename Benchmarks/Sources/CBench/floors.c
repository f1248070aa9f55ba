#include "floors.h"

void floor_fill(uint8_t *record, const void *key, size_t key_size, const void *value,
                size_t value_size) {
    uint32_t short_size = (uint32_t)key_size;
    uint64_t long_size = value_size;
    memset(record, 0, FLOOR_HEADER);
    memcpy(record + 4, &short_size, sizeof short_size);
    memcpy(record + 8, &long_size, sizeof long_size);
    memcpy(record + FLOOR_HEADER, key, key_size);
    memcpy(record + FLOOR_HEADER + key_size, value, value_size);
    size_t used = FLOOR_HEADER + key_size + value_size;
    memset(record + used, 0, floor_end(record) - used);
    uint32_t checksum = floor_checksum(record);
    memcpy(record, &checksum, sizeof checksum);
}

void floor_insert(struct floor_table *table, uint64_t hash, size_t offset) {
    uint64_t at = hash & table->mask;
    while (table->slots[at] != 0) at = (at + 1) & table->mask;
    table->slots[at] = (hash >> 48) << 48 | (uint64_t)(offset + 1);
}

enum { STREAMS = 4, AHEAD = 12 };

size_t floor_read_ahead(const uint8_t *base, size_t stride, const uint32_t *records, size_t count,
                        void *buffer) {
    size_t whole = 0;
    for (size_t next = 0; next + STREAMS <= count; next += STREAMS) {
        for (size_t i = 0; i < STREAMS && next + AHEAD + i < count; i++) {
            const uint8_t *later = base + records[next + AHEAD + i] * stride;
            for (size_t line = 0; line < stride; line += FLOOR_LINE) bench_prefetch(later + line);
        }
        const uint8_t *record[STREAMS];
        for (size_t i = 0; i < STREAMS; i++) record[i] = base + records[next + i] * stride;
        size_t end = floor_end(record[0]);
        uint64_t crc[STREAMS] = {0};
        for (size_t at = 8; at < end; at += 8)
            for (size_t i = 0; i < STREAMS; i++)
                crc[i] = floor_crc(crc[i], bench_word(record[i] + at));
        for (size_t i = 0; i < STREAMS; i++) {
            uint32_t stored;
            memcpy(&stored, record[i], sizeof stored);
            whole += stored == (uint32_t)crc[i];
            memcpy(buffer, record[i] + FLOOR_HEADER + floor_key_size(record[i]),
                   floor_value_size(record[i]));
        }
    }
    return whole;
}

void floor_stream(void *target, const void *source, size_t piece, size_t count) {
    for (size_t at = 0; at + piece <= count; at += piece)
        pmem_memcpy((char *)target + at, source, piece,
                    PMEM_F_MEM_NODRAIN | PMEM_F_MEM_NONTEMPORAL);
    pmem_drain();
}
