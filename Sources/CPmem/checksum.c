// CRC32C in three interleaved streams, and without the instruction (four tables). The instruction
// has a latency of three cycles and a throughput of one, so three independent streams keep it busy.
#include "cpmem.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

int cpmem_has_crc32_instruction;

/// Bytes of each of three streams: of long buffers, and of what is left.
enum { LONG_LANE = 1024, SHORT_LANE = 64 };
_Static_assert(cpmem_crc32c_lanes_from == 3 * SHORT_LANE, "one round of the short lanes");

static uint32_t byte_table[4][256];

/// The product of two polynomials, reduced; bits reflected.
static uint32_t product_of(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        product ^= b & -(a >> 31);
        b = (b >> 1) ^ (0x82F63B78 & -(b & 1));
    }
    return product;
}

/// x to the exponent.
static uint32_t power_of_x(unsigned exponent) {
    uint32_t power = UINT32_C(1) << 31;
    for (; exponent > 0; exponent--)
        power = (power >> 1) ^ (0x82F63B78 & -(power & 1));
    return power;
}

uint32_t cpmem_crc32c_skip(uint32_t state, size_t count) {
    // One byte's worth, then its squares.
    for (uint32_t power = power_of_x(8); count > 0; count >>= 1) {
        if (count & 1)
            state = product_of(state, power);
        power = product_of(power, power);
    }
    return state;
}

#if defined(__x86_64__) || defined(__aarch64__)
/// What a state is multiplied by to go past one lane and past two: powers of x modulo the
/// polynomial, bits reflected.
struct lane_powers {
    uint32_t one, two;
};
static struct lane_powers long_powers, short_powers;

#if defined(__x86_64__)
/// The product is of 64 bits, reflected in 63; the instruction, from state zero, reduces it times
/// x^33. So the powers are as many lower.
enum { REDUCTION = 33 };
static uint32_t multiply(uint32_t state, uint32_t power) {
    __m128i product = _mm_cvtsi32_si128((int)state), other = _mm_cvtsi32_si128((int)power);
    __asm__("pclmulqdq $0, %1, %0" : "+x"(product) : "x"(other));
    return (uint32_t)cpmem_crc32c_word(0, (uint64_t)_mm_cvtsi128_si64(product));
}
#else
enum { REDUCTION = 0 };
static uint32_t multiply(uint32_t state, uint32_t power) { return product_of(state, power); }
#endif

static struct lane_powers lane_powers(unsigned bytes) {
    return (struct lane_powers){power_of_x(8 * bytes - REDUCTION),
                                power_of_x(16 * bytes - REDUCTION)};
}

static inline uint32_t three_lanes(uint32_t state, const uint8_t *p, size_t lane,
                                   struct lane_powers powers) {
    uint64_t first = state, second = 0, third = 0;
    for (size_t i = 0; i < lane; i += 8) {
        first = cpmem_crc32c_at(first, p + i);
        second = cpmem_crc32c_at(second, p + lane + i);
        third = cpmem_crc32c_at(third, p + 2 * lane + i);
    }
    return multiply((uint32_t)first, powers.two) ^ multiply((uint32_t)second, powers.one) ^
           (uint32_t)third;
}

/// The same as cpmem_crc32c_update, with the instructions.
uint32_t cpmem_crc32c_lanes(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    for (; count >= 3 * LONG_LANE; p += 3 * LONG_LANE, count -= 3 * LONG_LANE)
        state = three_lanes(state, p, LONG_LANE, long_powers);
#if defined(__x86_64__)
    for (; count >= 3 * SHORT_LANE; p += 3 * SHORT_LANE, count -= 3 * SHORT_LANE)
        state = three_lanes(state, p, SHORT_LANE, short_powers);
#endif
    return cpmem_crc32c_stream(state, p, count);
}
#endif

__attribute__((constructor)) static void prepare_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? UINT32_C(0x82F63B78) : 0);
        byte_table[0][i] = c;
    }
    for (int t = 1; t < 4; t++)
        for (int i = 0; i < 256; i++)
            byte_table[t][i] =
                byte_table[0][byte_table[t - 1][i] & 0xFF] ^ (byte_table[t - 1][i] >> 8);
#if defined(__x86_64__)
    __builtin_cpu_init();
    cpmem_has_crc32_instruction =
        __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    cpmem_has_crc32_instruction = 1;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    long_powers = lane_powers(LONG_LANE);
    short_powers = lane_powers(SHORT_LANE);
#endif
}

uint32_t cpmem_crc32c_table(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    for (; count >= 4; p += 4, count -= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        state ^= word;
        state = byte_table[3][state & 0xFF] ^ byte_table[2][state >> 8 & 0xFF] ^
                byte_table[1][state >> 16 & 0xFF] ^ byte_table[0][state >> 24];
    }
    for (; count > 0; p++, count--)
        state = byte_table[0][(state ^ *p) & 0xFF] ^ (state >> 8);
    return state;
}

// A read spends a third of its instructions here: no calls, and the processor works out both
// checksums side by side.
#define INLINE __attribute__((always_inline)) static inline

/// The same as cpmem_crc32c; of one to two rounds of the short lanes without a call.
INLINE uint32_t value_checksum(const char *value, size_t count) {
#if defined(__x86_64__)
    const size_t round = 3 * SHORT_LANE;
    if (cpmem_has_crc32_instruction && count >= round && count < 2 * round) {
        const uint8_t *p = (const uint8_t *)value;
        uint32_t state = three_lanes(~UINT32_C(0), p, SHORT_LANE, short_powers);
        return ~cpmem_crc32c_stream(state, p + round, count - round);
    }
#endif
    return cpmem_crc32c(value, count);
}

INLINE bool verifies(const struct cpmem_record *record, uint32_t key_length, uint64_t salt,
                     uint64_t location) {
    const char *key = (const char *)(record + 1);
    uint32_t header = cpmem_header_checksum(record, key, key_length, salt, location);
    uint32_t value = value_checksum(key + key_length, cpmem_shape_value_length(record->shape));
    return (header == record->header_checksum) & (value == record->value_checksum);
}

bool cpmem_record_verifies(const struct cpmem_record *record, uint64_t salt, uint64_t location) {
    return verifies(record, cpmem_shape_key_length(record->shape), salt, location);
}

bool cpmem_record_answers(const struct cpmem_record *record, const void *key, size_t key_length,
                          uint64_t salt, uint64_t location) {
    return cpmem_shape_key_length(record->shape) == key_length &&
           cpmem_same_bytes(record + 1, key, key_length) &&
           verifies(record, (uint32_t)key_length, salt, location);
}
