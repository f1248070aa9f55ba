// One bucket of the hash index: eight 8-byte slots in a cache line, a 16-bit tag in the top of
// each. The tag match is branch-free: SSE2 compares all eight at once.
#ifndef CPMEM_BUCKET_H
#define CPMEM_BUCKET_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Bit i of the result is set when slot i carries the tag. The slots may change meanwhile: a
/// caller loads the slot itself again before trusting it.
static inline uint32_t cpmem_bucket_match(const void *bucket, uint16_t tag) {
#if defined(__SSE2__)
    const __m128i *p = (const __m128i *)bucket;
    // The upper halves of the eight slots, then their tags, sign-extended so that the
    // saturating pack keeps every bit.
    __m128 a = _mm_shuffle_ps(_mm_castsi128_ps(_mm_load_si128(p)),
                              _mm_castsi128_ps(_mm_load_si128(p + 1)), 0xDD);
    __m128 b = _mm_shuffle_ps(_mm_castsi128_ps(_mm_load_si128(p + 2)),
                              _mm_castsi128_ps(_mm_load_si128(p + 3)), 0xDD);
    __m128i tags = _mm_packs_epi32(_mm_srai_epi32(_mm_castps_si128(a), 16),
                                   _mm_srai_epi32(_mm_castps_si128(b), 16));
    __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
#else
    const uint64_t *slots = (const uint64_t *)bucket;
    uint32_t mask = 0;
    for (int i = 0; i < 8; i++)
        mask |= (uint32_t)(__atomic_load_n(&slots[i], __ATOMIC_RELAXED) >> 48 == tag) << i;
    return mask;
#endif
}

/// The first slot that carries the tag, or the last one. No branch depends on what the bucket
/// holds: nothing that comes after is guessed before the bucket has arrived.
static inline uint64_t cpmem_bucket_first(const void *bucket, uint16_t tag) {
    int slot = __builtin_ctz(cpmem_bucket_match(bucket, tag) | 0x80);
    return __atomic_load_n((const uint64_t *)bucket + slot, __ATOMIC_ACQUIRE);
}

#endif
