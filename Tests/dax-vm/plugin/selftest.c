// Exercises the plugin with known sequences, right ones and wrong ones, so that a silent plugin or
// a misread address cannot pass for a store that flushes. One phase a case; the host knows what
// each must report (host/trace.py).
#include <immintrin.h>
#include <stdio.h>

#include "marker_client.h"

enum { POOL_SIZE = 1 << 20 };
static char *pool;

static void store(uint64_t offset) { *(volatile uint64_t *)(pool + offset) = offset; }
static void sfence(void) { __asm__ volatile("sfence" ::: "memory"); }

#define CLWB ".byte 0x66; xsaveopt "

static void flush(uint64_t offset) {
    __asm__ volatile(CLWB "%0" : "+m"(*(volatile char *)(pool + offset)));
}

static void finish(void) {
    marker_command(MARKER_ACK);
    marker_command(MARKER_END);
}

// Every addressing form: plain base, displacements of both sizes, scaled index, high registers.
static void addressing(void) {
    marker_begin("addressing");
    for (int i = 0; i < 6; i++) store(4096 * i);
    char *base = pool;
    long index = 512;
    __asm__ volatile(CLWB "(%0)" ::"r"(base));
    __asm__ volatile(CLWB "0x40(%0)" ::"r"(base + 4096 - 64));
    __asm__ volatile(CLWB "0x1000(%0)" ::"r"(base + 4096));
    __asm__ volatile(CLWB "0x1000(%0,%1,4)" ::"r"(base + 4096 * 2 - 2048), "r"(index));
    __asm__ volatile("mov %0, %%r13\n" CLWB "0(%%r13)" ::"r"(base + 4096 * 4) : "r13");
    __asm__ volatile("mov %0, %%r12\n" CLWB "(%%r12)" ::"r"(base + 4096 * 5) : "r12");
    sfence();
    finish();
}

static void other_flushes(void) {
    marker_begin("other_flushes");
    store(0);
    store(64);
    __asm__ volatile("clflushopt (%0)" ::"r"(pool));
    __asm__ volatile("clflush (%0)" ::"r"(pool + 64));
    sfence();
    finish();
}

static void nontemporal(void) {
    marker_begin("nontemporal");
    _mm_stream_si64((long long *)pool, 1);
    _mm_stream_si128((__m128i *)(pool + 64), _mm_setzero_si128());
    __asm__ volatile("vmovntdq %%ymm0, (%0)" ::"r"(pool + 128) : "memory");
    __asm__ volatile("vmovntps %%ymm8, (%0)" ::"r"(pool + 192) : "memory");
    sfence();
    finish();
}

// The wrong ones.
static void no_flush(void) {
    marker_begin("no_flush");
    store(0);
    store(64);
    flush(0);
    sfence();
    finish();
}

static void no_fence(void) {
    marker_begin("no_fence");
    store(128);
    flush(128);
    finish();
}

static void late_store(void) {
    marker_begin("late_store");
    store(256);
    flush(256);
    store(264);
    sfence();
    finish();
}

static void straddling_store(void) {
    marker_begin("straddling");
    store(64 * 100 - 4);
    flush(64 * 99);
    sfence();
    finish();
}

int main(void) {
    pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (pool == MAP_FAILED || marker_open() != 0) {
        perror("mmap");
        return 1;
    }
    marker_command(MARKER_RESET);
    marker_range(0, MARKER_VIRTUAL, (uint64_t)pool, POOL_SIZE, MARKER_TRACK_LINES);
    addressing();
    other_flushes();
    nontemporal();
    no_flush();
    no_fence();
    late_store();
    straddling_store();
    marker_range(0, MARKER_VIRTUAL, (uint64_t)pool, POOL_SIZE,
                 MARKER_TRACK_LINES | MARKER_FENCE_ONLY);
    marker_begin("fence_only");
    store(0);
    sfence();
    finish();
    return 0;
}
