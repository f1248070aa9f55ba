#include "hot_path.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <valgrind/callgrind.h>

void hot_path_count_begin(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void hot_path_count_end(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}

/// In place of the C library's in the whole process: the random identity of a pool seeds its hash
/// function, and with it which buckets split and how long their chains are. The same bytes every
/// time make the same counts.
ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
    (void)flags;
    static uint64_t word = 0x5DEECE66D1234567;
    for (size_t at = 0; at < length; at += sizeof word) {
        word = word * 0x5851F42D4C957F2D + 0x14057B7EF767814F;
        size_t rest = length - at;
        memcpy((char *)buffer + at, &word, rest < sizeof word ? rest : sizeof word);
    }
    return (ssize_t)length;
}

static struct {
    _Alignas(64) volatile unsigned long marker;
    _Alignas(64) int arrived;
    _Alignas(64) unsigned long sum;
} meeting;

unsigned long hot_path_marker(void) {
    printf("code %lx\n", (unsigned long)&hot_path_await);
    return (unsigned long)&meeting.marker;
}

void hot_path_await(int threads) {
    volatile int here = 0;
    if (__atomic_load_n(&meeting.arrived, __ATOMIC_RELAXED) < threads) {
        printf("stack %lx\n", (unsigned long)&here);
        fflush(stdout);
    }
    int number = __atomic_fetch_add(&meeting.arrived, 1, __ATOMIC_SEQ_CST);
    int all = (number / threads + 1) * threads;
    if (number + 1 == all)
        meeting.marker++;
    while (__atomic_load_n(&meeting.arrived, __ATOMIC_ACQUIRE) < all)
        sched_yield();
}

void hot_path_add(long count) {
    while (count-- > 0)
        __atomic_fetch_add(&meeting.sum, 1, __ATOMIC_SEQ_CST);
}
