// What makes a store durable on directly mapped persistent memory: libpmem's copies and flushes.
#ifndef CPMEM_PERSIST_H
#define CPMEM_PERSIST_H

#include <libpmem.h>
#include <stdint.h>

/// Copies and starts the write-back of every line touched; durable after the next fence.
/// libpmem takes non-temporal stores from 256 bytes on.
static inline void cpmem_copy_flush(void *to, const void *from, size_t count) {
    pmem_memcpy(to, from, count, PMEM_F_MEM_NODRAIN);
}
/// Copies into the cache only; durable after a flush of the range and a fence.
static inline void cpmem_copy_only(void *to, const void *from, size_t count) {
    pmem_memcpy(to, from, count, PMEM_F_MEM_NOFLUSH | PMEM_F_MEM_NODRAIN | PMEM_F_MEM_TEMPORAL);
}
static inline void cpmem_flush(const void *address, size_t count) { pmem_flush(address, count); }
static inline void cpmem_fence(void) {
#if defined(__x86_64__)
    __asm__ volatile("sfence" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
/// Takes a range out of the processor's caches, so that the next load asks the memory itself: a
/// write-back alone may leave the lines where they are.
static inline void cpmem_evict(const void *address, size_t count) {
    uintptr_t end = (uintptr_t)address + count;
    for (uintptr_t line = (uintptr_t)address & ~(uintptr_t)63; line < end; line += 64) {
#if defined(__x86_64__)
        __asm__ volatile("clflush %0" : "+m"(*(volatile char *)line));
#elif defined(__aarch64__)
        __asm__ volatile("dc civac, %0" ::"r"(line) : "memory");
#endif
    }
#if defined(__x86_64__)
    __asm__ volatile("mfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb sy" ::: "memory");
#endif
}

#endif
