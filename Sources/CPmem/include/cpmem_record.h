// The bits inside a record header, and its checksum.
#ifndef CPMEM_RECORD_H
#define CPMEM_RECORD_H

#include "cpmem_checksum.h"
#include "cpmem_format.h"

// shape: value length in bits 0-39, key length - 1 in bits 40-55, kind in bits 56-63. Bit 2 of the
// kind says that there is an extension.
static inline uint64_t cpmem_shape(uint8_t kind, uint32_t key_length, uint64_t value_length) {
    return value_length | (uint64_t)(key_length - 1) << 40 | (uint64_t)kind << 56;
}
static inline uint64_t cpmem_shape_value_length(uint64_t shape) {
    return shape & UINT64_C(0xFFFFFFFFFF);
}
static inline uint32_t cpmem_shape_key_length(uint64_t shape) {
    return (uint32_t)(shape >> 40 & 0xFFFF) + 1;
}
static inline uint8_t cpmem_shape_kind(uint64_t shape) { return (uint8_t)(shape >> 56); }
/// Bytes of the extension: CPMEM_EXTENSION_SIZE, which is 8, or none.
static inline uint32_t cpmem_shape_extension(uint64_t shape) { return (uint32_t)(shape >> 55) & 8; }
/// The extension of a record that has one.
static inline uint64_t cpmem_extension(const struct cpmem_record *record) {
    return cpmem_read64(record + 1);
}
/// The number of the table that an extension names.
static inline uint16_t cpmem_extension_table(uint64_t extension) { return (uint16_t)extension; }

/// The salt of one life of one segment: no two lives of a pool share it, so a record left over
/// from an earlier life never passes its checksum.
static inline uint64_t cpmem_salt(uint64_t pool_id, uint32_t segment, uint32_t generation) {
    return cpmem_fold_multiply(pool_id ^ UINT64_C(0x9E3779B97F4A7C15),
                               ((uint64_t)segment << 32 | generation) ^
                                   UINT64_C(0xD6E8FEB86659FD93));
}

/// CRC32C over salt, location (64-byte units from the start of the pool), header bytes 4 to 31
/// and key; with an extension in front of it, that is a part of the key here.
__attribute__((always_inline)) static inline uint32_t
cpmem_header_checksum(const struct cpmem_record *header, const void *key, uint32_t key_length,
                      uint64_t salt, uint64_t location) {
    const char *bytes = (const char *)header;
#if defined(__x86_64__) || defined(__aarch64__)
    if (__builtin_expect(cpmem_has_crc32_instruction && key_length < cpmem_crc32c_lanes_from, 1)) {
        // The same as below with all lengths but that of the key known.
        uint32_t first;
        memcpy(&first, bytes + 4, 4);
        uint64_t wide = cpmem_crc32c_word(~UINT32_C(0), salt);
        wide = cpmem_crc32c_word(wide, location);
        wide = cpmem_crc32c_half((uint32_t)wide, first);
        wide = cpmem_crc32c_at(wide, bytes + 8);
        wide = cpmem_crc32c_at(wide, bytes + 16);
        wide = cpmem_crc32c_at(wide, bytes + 24);
        if (key_length == 16)
            return ~(uint32_t)cpmem_crc32c_at(cpmem_crc32c_at(wide, key), (const char *)key + 8);
        return ~cpmem_crc32c_stream((uint32_t)wide, key, key_length);
    }
#endif
    uint64_t prefix[2] = {salt, location};
    uint32_t state = cpmem_crc32c_update(~UINT32_C(0), prefix, sizeof prefix);
    state = cpmem_crc32c_update(state, bytes + 4, sizeof *header - 4);
    return ~cpmem_crc32c_update(state, key, key_length);
}

/// The same where the extension does not stand in front of the key.
uint32_t cpmem_extended_checksum(const struct cpmem_record *header, uint64_t extension,
                                 const void *key, uint32_t key_length, uint64_t salt,
                                 uint64_t location);

/// Whether two byte ranges are equal; short ranges without a call.
static inline bool cpmem_same_bytes(const void *a, const void *b, size_t count) {
    if (count == 16)
        return cpmem_read64(a) == cpmem_read64(b) &&
               cpmem_read64((const char *)a + 8) == cpmem_read64((const char *)b + 8);
    return memcmp(a, b, count) == 0;
}

/// Whether header, key and value of a record that lies inside its extent are what was written
/// there.
bool cpmem_record_verifies(const struct cpmem_record *record, uint64_t salt, uint64_t location);
/// The same, and whether it is one of this key of a table.
bool cpmem_record_answers(const struct cpmem_record *record, const void *key, size_t key_length,
                          uint16_t table, uint64_t salt, uint64_t location);

/// Bytewise order of two byte ranges: below, equal to or above zero.
static inline int cpmem_compare(const void *a, size_t a_count, const void *b, size_t b_count) {
    int order = memcmp(a, b, a_count < b_count ? a_count : b_count);
    return order != 0 ? order : (a_count > b_count) - (a_count < b_count);
}

/// Zeroes a cache line of memory.
static inline void cpmem_zero_line(void *line) { memset(line, 0, CPMEM_LINE); }

// life: generation in bits 32-63, span in bits 16-31, state in bits 14-15, check in bits 0-13.
static inline uint64_t cpmem_life_word(uint64_t pool_id, uint32_t segment, uint32_t generation,
                                       uint16_t span, uint8_t state) {
    uint64_t word = (uint64_t)generation << 32 | (uint64_t)span << 16 | (uint64_t)state << 14;
    uint64_t covered[3] = {pool_id, segment, word};
    return word | (cpmem_crc32c(covered, sizeof covered) & 0x3FFF);
}

// seal: end of the records in 64-byte units in bits 32-63, CRC32C in bits 0-31.
static inline uint64_t cpmem_seal_word(uint64_t salt, uint32_t end_units) {
    uint64_t covered[2] = {salt, end_units};
    return (uint64_t)end_units << 32 | cpmem_crc32c(covered, sizeof covered);
}

#endif
