// Atomic words in raw memory. A plain Swift store promises nothing to another thread or to the
// medium; these inline to the one instruction meant.
#ifndef CPMEM_ATOMICS_H
#define CPMEM_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t cpmem_load_acquire(const void *p) {
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
}
static inline uint64_t cpmem_load_relaxed(const void *p) {
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}
static inline uint64_t cpmem_load_seq_cst(const void *p) {
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_SEQ_CST);
}
static inline void cpmem_store_release(void *p, uint64_t v) {
    __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELEASE);
}
static inline void cpmem_store_relaxed(void *p, uint64_t v) {
    __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED);
}
/// Returns the value before the addition.
static inline uint64_t cpmem_fetch_add(void *p, uint64_t v) {
    return __atomic_fetch_add((uint64_t *)p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t cpmem_fetch_sub(void *p, uint64_t v) {
    return __atomic_fetch_sub((uint64_t *)p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t cpmem_fetch_or(void *p, uint64_t v) {
    return __atomic_fetch_or((uint64_t *)p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t cpmem_fetch_and(void *p, uint64_t v) {
    return __atomic_fetch_and((uint64_t *)p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t cpmem_fetch_add_relaxed(void *p, uint64_t v) {
    return __atomic_fetch_add((uint64_t *)p, v, __ATOMIC_RELAXED);
}
static inline bool cpmem_compare_exchange(void *p, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n((uint64_t *)p, &expected, desired, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}
/// Lowers *p to v when v is smaller.
static inline void cpmem_fetch_min(void *p, uint64_t v) {
    uint64_t seen = __atomic_load_n((uint64_t *)p, __ATOMIC_RELAXED);
    while (v < seen && !__atomic_compare_exchange_n((uint64_t *)p, &seen, v, true,
                                                    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
}
static inline void cpmem_fence_seq_cst(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void cpmem_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void cpmem_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

static inline void cpmem_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
static inline void cpmem_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
/// The lines of a short record that begins at p, which nobody has looked at yet.
static inline void cpmem_prefetch_record(const void *p) {
    for (int line = 0; line < 4; line++)
        __builtin_prefetch((const char *)p + 64 * line, 0, 3);
}

/// A number that usually differs between threads that run at the same time; one instruction
/// and a multiplication. Spreads threads over log heads and reader counters.
static inline uint64_t cpmem_thread_hint(void) {
    uint64_t self;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(self));
#else
    self = (uint64_t)__builtin_thread_pointer();
#endif
    return (self * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
}

#endif
