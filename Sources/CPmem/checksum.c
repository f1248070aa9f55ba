// CRC32C over long buffers (three interleaved streams, joined by tables) and without the
// instruction (four tables). The instruction has a latency of three cycles and a throughput of
// one, so three independent streams keep it busy.
#include "cpmem.h"

int cpmem_has_crc32_instruction;

enum { STREAM = 1024 };

static uint32_t byte_table[4][256];
// shift_table[k][b]: what byte k = b of a state becomes after STREAM zero bytes.
static uint32_t shift_table[4][256];

static uint32_t advance_zeroes(uint32_t state, size_t count) {
    for (; count > 0; count--)
        state = byte_table[0][state & 0xFF] ^ (state >> 8);
    return state;
}

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
    // A shift is linear: eight single bits give all 256 values of a byte.
    for (int k = 0; k < 4; k++) {
        uint32_t basis[8];
        for (int bit = 0; bit < 8; bit++)
            basis[bit] = advance_zeroes(UINT32_C(1) << (8 * k + bit), STREAM);
        for (int i = 0; i < 256; i++) {
            uint32_t c = 0;
            for (int bit = 0; bit < 8; bit++)
                c ^= (i >> bit & 1) ? basis[bit] : 0;
            shift_table[k][i] = c;
        }
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    cpmem_has_crc32_instruction = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    cpmem_has_crc32_instruction = 1;
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

#if defined(__x86_64__) || defined(__aarch64__)
static uint32_t shift_stream(uint32_t state) {
    return shift_table[0][state & 0xFF] ^ shift_table[1][state >> 8 & 0xFF] ^
           shift_table[2][state >> 16 & 0xFF] ^ shift_table[3][state >> 24];
}

uint32_t cpmem_crc32c_long(uint32_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    for (; count >= 3 * STREAM; p += 3 * STREAM, count -= 3 * STREAM) {
        uint32_t second = 0, third = 0;
        for (size_t i = 0; i < STREAM; i += 8) {
            state = cpmem_crc32c_word(state, cpmem_read64(p + i));
            second = cpmem_crc32c_word(second, cpmem_read64(p + STREAM + i));
            third = cpmem_crc32c_word(third, cpmem_read64(p + 2 * STREAM + i));
        }
        state = shift_stream(shift_stream(state) ^ second) ^ third;
    }
    for (; count >= 8; p += 8, count -= 8)
        state = cpmem_crc32c_word(state, cpmem_read64(p));
    for (; count > 0; p++, count--)
        state = cpmem_crc32c_byte(state, *p);
    return state;
}
#else
uint32_t cpmem_crc32c_long(uint32_t state, const void *bytes, size_t count) {
    return cpmem_crc32c_table(state, bytes, count);
}
#endif
