// CRC32C in three interleaved streams, by products of vectors, and without the instruction (four
// tables). The instruction has a latency of three cycles and a throughput of one, so three
// independent streams keep it busy: eight bytes a cycle. Products of vectors go through four times
// as many, and take a while to begin and to end.
#include "cpmem.h"

#if defined(__x86_64__)
#include <immintrin.h>
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

#if defined(__x86_64__)
/// Whether the processor multiplies without carry four pairs of words at once.
static bool has_wide_products;
/// Bytes of a vector, and of four of them, that go through side by side.
enum { VECTOR = 64, ROUND = 4 * VECTOR };
/// What the earlier and the later half of 16 bytes are multiplied by to stand so much further on.
struct fold_powers {
    uint64_t earlier, later;
};
static struct fold_powers round_powers, vector_powers;

/// A product without carry is the one of the polynomials times x, with bits reflected, and a power
/// of 32 bits stands in the upper half of its word.
static struct fold_powers fold_powers(unsigned bytes) {
    return (struct fold_powers){(uint64_t)power_of_x(8 * bytes + 63) << 32,
                                (uint64_t)power_of_x(8 * bytes - 1) << 32};
}

#define WIDE __attribute__((target("avx512f,vpclmulqdq")))

WIDE static inline __m512i fold(__m512i a, __m512i powers, __m512i next) {
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(a, powers, 0x00),
                                     _mm512_clmulepi64_epi128(a, powers, 0x11), next, 0x96);
}

WIDE static inline __m512i wide_powers(struct fold_powers powers) {
    return _mm512_set4_epi64((long long)powers.later, (long long)powers.earlier,
                             (long long)powers.later, (long long)powers.earlier);
}

/// The same as cpmem_crc32c_update for whole rounds, at least one: each vector is moved on past a
/// round and added to what stands there, and what is left in the end is a message as long as one.
WIDE static uint32_t fold_rounds(uint32_t state, const uint8_t *p, size_t count) {
    __m512i a = _mm512_xor_si512(_mm512_loadu_si512(p),
                                 _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
    __m512i b = _mm512_loadu_si512(p + VECTOR), c = _mm512_loadu_si512(p + 2 * VECTOR);
    __m512i d = _mm512_loadu_si512(p + 3 * VECTOR);
    const __m512i far = wide_powers(round_powers), near = wide_powers(vector_powers);
    for (count -= ROUND, p += ROUND; count > 0; count -= ROUND, p += ROUND) {
        a = fold(a, far, _mm512_loadu_si512(p));
        b = fold(b, far, _mm512_loadu_si512(p + VECTOR));
        c = fold(c, far, _mm512_loadu_si512(p + 2 * VECTOR));
        d = fold(d, far, _mm512_loadu_si512(p + 3 * VECTOR));
    }
    uint8_t rest[VECTOR];
    _mm512_storeu_si512(rest, fold(fold(fold(a, near, b), near, c), near, d));
    return cpmem_crc32c_stream(0, rest, VECTOR);
}
#endif

/// The same as cpmem_crc32c_update, with the instructions.
uint32_t cpmem_crc32c_lanes(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
#if defined(__x86_64__)
    if (count >= 4 * ROUND && has_wide_products) {
        size_t whole = count & ~(size_t)(ROUND - 1);
        state = fold_rounds(state, p, whole);
        p += whole;
        count -= whole;
    }
#endif
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
    has_wide_products =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
    round_powers = fold_powers(ROUND);
    vector_powers = fold_powers(VECTOR);
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

/// - behind: bytes of extension and key.
INLINE bool verifies(const struct cpmem_record *record, uint32_t behind, uint64_t salt,
                     uint64_t location) {
    const char *key = (const char *)(record + 1);
    uint32_t header = cpmem_header_checksum(record, key, behind, salt, location);
    uint32_t value = value_checksum(key + behind, cpmem_shape_value_length(record->shape));
    return (header == record->header_checksum) & (value == record->value_checksum);
}

bool cpmem_record_verifies(const struct cpmem_record *record, uint64_t salt, uint64_t location) {
    uint64_t shape = record->shape;
    return verifies(record, cpmem_shape_extension(shape) + cpmem_shape_key_length(shape), salt,
                    location);
}

/// The same as cpmem_record_answers where there is an extension, or has to be.
static bool extended_answers(const struct cpmem_record *record, const void *key, size_t key_length,
                             uint16_t table, uint64_t salt, uint64_t location) {
    return cpmem_shape_extension(record->shape) != 0 &&
           cpmem_shape_key_length(record->shape) == key_length &&
           cpmem_extension_table(cpmem_extension(record)) == table &&
           memcmp((const char *)(record + 1) + CPMEM_EXTENSION_SIZE, key, key_length) == 0 &&
           verifies(record, CPMEM_EXTENSION_SIZE + (uint32_t)key_length, salt, location);
}

bool cpmem_record_answers(const struct cpmem_record *record, const void *key, size_t key_length,
                          uint16_t table, uint64_t salt, uint64_t location) {
    if (__builtin_expect((cpmem_shape_extension(record->shape) | table) != 0, 0))
        return extended_answers(record, key, key_length, table, salt, location);
    return cpmem_shape_key_length(record->shape) == key_length &&
           cpmem_same_bytes(record + 1, key, key_length) &&
           verifies(record, (uint32_t)key_length, salt, location);
}

uint32_t cpmem_extended_checksum(const struct cpmem_record *header, uint64_t extension,
                                 const void *key, uint32_t key_length, uint64_t salt,
                                 uint64_t location) {
    uint64_t prefix[2] = {salt, location};
    uint32_t state = cpmem_crc32c_update(~UINT32_C(0), prefix, sizeof prefix);
    state = cpmem_crc32c_update(state, (const char *)header + 4, sizeof *header - 4);
    state = cpmem_crc32c_update(state, &extension, sizeof extension);
    return ~cpmem_crc32c_update(state, key, key_length);
}
