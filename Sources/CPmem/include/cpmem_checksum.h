// CRC32C (Castagnoli, reflected polynomial 0x82F63B78) and the key hash, both part of the
// format: docs/format.md defines them, tests hold them against published check values.
#ifndef CPMEM_CHECKSUM_H
#define CPMEM_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// Non-zero when the processor has the instructions for CRC32 and, on x86, for carry-less
/// multiplication; set before main.
extern int cpmem_has_crc32_instruction;
uint32_t cpmem_crc32c_table(uint32_t state, const void *bytes, size_t count);
uint32_t cpmem_crc32c_lanes(uint32_t state, const void *bytes, size_t count);

/// From this many bytes on several streams at once are faster than one.
enum { cpmem_crc32c_lanes_from = 192 };

static inline uint64_t cpmem_read64(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

#if defined(__x86_64__)
// Inline assembly, since a function with a target attribute does not inline into Swift.
static inline uint64_t cpmem_crc32c_word(uint64_t state, uint64_t word) {
    __asm__("crc32q %1, %0" : "+r"(state) : "r"(word));
    return state;
}
/// The same for eight bytes in memory, without a load of its own.
static inline uint64_t cpmem_crc32c_at(uint64_t state, const void *p) {
    __asm__("crc32q %1, %0" : "+r"(state) : "m"(*(const char(*)[8])p));
    return state;
}
static inline uint32_t cpmem_crc32c_half(uint32_t state, uint32_t half) {
    __asm__("crc32l %1, %0" : "+r"(state) : "r"(half));
    return state;
}
static inline uint32_t cpmem_crc32c_byte(uint32_t state, uint8_t byte) {
    __asm__("crc32b %1, %0" : "+r"(state) : "r"(byte));
    return state;
}
#elif defined(__aarch64__)
static inline uint64_t cpmem_crc32c_word(uint64_t wide, uint64_t word) {
    uint32_t state = (uint32_t)wide;
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(word));
    return state;
}
static inline uint64_t cpmem_crc32c_at(uint64_t state, const void *p) {
    return cpmem_crc32c_word(state, cpmem_read64(p));
}
static inline uint32_t cpmem_crc32c_half(uint32_t state, uint32_t half) {
    __asm__(".arch_extension crc\n\tcrc32cw %w0, %w0, %w1" : "+r"(state) : "r"(half));
    return state;
}
static inline uint32_t cpmem_crc32c_byte(uint32_t state, uint8_t byte) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"((uint32_t)byte));
    return state;
}
#endif

#if defined(__x86_64__) || defined(__aarch64__)
/// The same as cpmem_crc32c_update, in one stream and with the instruction.
static inline uint32_t cpmem_crc32c_stream(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    uint64_t wide = state;
    for (; count >= 32; p += 32, count -= 32) {
        wide = cpmem_crc32c_at(wide, p);
        wide = cpmem_crc32c_at(wide, p + 8);
        wide = cpmem_crc32c_at(wide, p + 16);
        wide = cpmem_crc32c_at(wide, p + 24);
    }
    for (; count >= 8; p += 8, count -= 8)
        wide = cpmem_crc32c_at(wide, p);
    state = (uint32_t)wide;
    if (count & 4) {
        uint32_t half;
        memcpy(&half, p, 4);
        state = cpmem_crc32c_half(state, half);
        p += 4;
    }
    for (count &= 3; count > 0; p++, count--)
        state = cpmem_crc32c_byte(state, *p);
    return state;
}
#endif

/// Advances a CRC32C state over count bytes. The caller inverts before and after.
static inline uint32_t cpmem_crc32c_update(uint32_t state, const void *bytes, size_t count) {
#if defined(__x86_64__) || defined(__aarch64__)
    if (__builtin_expect(cpmem_has_crc32_instruction, 1)) {
        if (count >= cpmem_crc32c_lanes_from)
            return cpmem_crc32c_lanes(state, bytes, count);
        return cpmem_crc32c_stream(state, bytes, count);
    }
#endif
    return cpmem_crc32c_table(state, bytes, count);
}

/// The state that count zero bytes turn a state into. The checksum of one range behind another is
/// put together with it: that of the first, past as many bytes as the second has, and the state
/// that the second turns zero into, one exclusive-or the other. O(log count).
uint32_t cpmem_crc32c_skip(uint32_t state, size_t count);

/// The published CRC32C of count bytes ("123456789" gives 0xE3069283).
static inline uint32_t cpmem_crc32c(const void *bytes, size_t count) {
    return ~cpmem_crc32c_update(~UINT32_C(0), bytes, count);
}

static inline uint64_t cpmem_fold_multiply(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/// The 64-bit hash of a key under a pool's seed: 16 bytes a multiplication, the last block read
/// with overlap. Not cryptographic; the seed is random for each pool.
static inline uint64_t cpmem_key_hash(const void *key, size_t count, uint64_t seed) {
    const uint64_t k0 = UINT64_C(0x9E3779B97F4A7C15), k1 = UINT64_C(0xD6E8FEB86659FD93);
    const uint64_t k2 = UINT64_C(0xA0761D6478BD642F);
    const uint8_t *p = key;
    uint64_t state = cpmem_fold_multiply(seed ^ k0, (uint64_t)count ^ k1);
    uint64_t low = 0, high = 0;
    if (count > 16) {
        size_t left = count;
        for (; left > 16; p += 16, left -= 16)
            state = cpmem_fold_multiply(cpmem_read64(p) ^ state, cpmem_read64(p + 8) ^ k2);
        low = cpmem_read64(p + left - 16);
        high = cpmem_read64(p + left - 8);
    } else if (count >= 8) {
        low = cpmem_read64(p);
        high = cpmem_read64(p + count - 8);
    } else if (count >= 4) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + count - 4, 4);
        low = a;
        high = b;
    } else if (count > 0) {
        low = (uint64_t)p[0] | (uint64_t)p[count / 2] << 8 | (uint64_t)p[count - 1] << 16;
    }
    state = cpmem_fold_multiply(low ^ state, high ^ k1);
    return cpmem_fold_multiply(state ^ k0, k2 ^ seed);
}

#endif
