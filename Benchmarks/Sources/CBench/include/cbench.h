/*
 * What the benchmarks need from C: a cheap clock, system calls Swift does not see, the flush and
 * fence instructions of the processor, and libpmem.
 *
 * Everything on a timed path is `static inline`, so that it becomes part of the Swift loop.
 */
#ifndef CBENCH_H
#define CBENCH_H

#include <libpmem.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

/* Set once at start, before any thread: the processor's counter is constant and never stops. */
extern bool bench_clock_uses_counter;

void bench_clock_use_counter(bool use);

static inline uint64_t bench_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ticks of the cheap clock. Not serialising: a few instructions may drift across it. */
static inline uint64_t bench_ticks(void) {
#if defined(__x86_64__)
    if (__builtin_expect(bench_clock_uses_counter, 1)) return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (__builtin_expect(bench_clock_uses_counter, 1)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return bench_monotonic_ns();
}

/* Throws the line out of the caches, so that the next load of it is cold. */
static inline void bench_evict(const void *address) {
#if defined(__x86_64__)
    __builtin_ia32_clflush(address);
#elif defined(__aarch64__)
    __asm__ volatile("dc civac, %0" : : "r"(address) : "memory");
#endif
}

static inline void bench_full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* Nothing behind it begins before all loads in front of it have their values. */
static inline void bench_wait_for_loads(void) {
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb ld\n\tisb" ::: "memory");
#endif
}

static inline void bench_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* A load the compiler may not drop. */
static inline uint64_t bench_load(const void *address) {
    return *(const volatile uint64_t *)address;
}

static inline void bench_store(void *address, uint64_t word) {
    *(volatile uint64_t *)address = word;
}

static inline void bench_prefetch(const void *address) { __builtin_prefetch(address); }

/* Replaces `expected` by `word`; false when something else stood there. */
static inline bool bench_compare_and_set(void *address, uint64_t expected, uint64_t word) {
    return __atomic_compare_exchange_n((uint64_t *)address, &expected, word, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint64_t bench_word(const void *address) {
    uint64_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

/* pwritev2 with RWF_DSYNC: the write is durable when it returns. -1 and errno on failure. */
ssize_t bench_pwrite_dsync(int fd, const void *buffer, size_t count, off_t offset);

/* Copies `count` bytes from `remote` of process `pid` as a debugger does; pins the pages. */
ssize_t bench_process_read(pid_t pid, void *local, const void *remote, size_t count);

/*
 * Runs a program, its standard output joined to standard error, and gives what waitpid(2) says of
 * its end. 0 or an error number. Foundation's Process wants a run loop and a pair of sockets for
 * this, which a small machine may not have.
 */
int bench_run(const char *program, char *const arguments[], int *status);

/*
 * Maps `count` bytes of the file, shared, at an address `shift` bytes behind a multiple of
 * `alignment`; with MAP_SYNC when `sync`. NULL and errno when the medium refuses.
 */
void *bench_map_aligned(int fd, size_t count, size_t alignment, size_t shift, bool sync);

/* Faults all pages in for writing; reports what a store would meet. -1 and errno on failure. */
int bench_populate(void *base, size_t count);

/* Gives the first `count` bytes of the file back to the file system. -1 and errno on failure. */
int bench_forget_blocks(int fd, size_t count);

/* Minor page faults of this process so far. */
long bench_minor_faults(void);

/* Gives what the C library's allocator keeps back to the kernel. */
void bench_trim_heap(void);

int bench_open_direct(const char *path);

/* Anonymous zeroed memory, in huge pages where the kernel gives them. NULL on failure. */
void *bench_map_table(size_t count);

#endif
