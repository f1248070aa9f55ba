// System calls and constants that Swift does not import.
#ifndef CPMEM_SYSTEM_H
#define CPMEM_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/// Maps length bytes of fd at offset 0, readable, shared. NULL on failure (errno is set).
void *cpmem_map_readonly(int fd, size_t length);
/// Reserves zeroed memory that costs nothing until it is touched. NULL on failure.
void *cpmem_reserve(size_t length, int huge_pages);
void cpmem_release(void *base, size_t length);
/// Number of times this process is the child of a fork since the library was loaded.
extern uint64_t cpmem_forks;
static inline uint64_t cpmem_fork_count(void) {
    return __atomic_load_n(&cpmem_forks, __ATOMIC_RELAXED);
}
/// Faults in the pages of a writable mapping, reporting errors. 0 or an errno.
int cpmem_populate_write(void *base, size_t length);
/// The same, page by page: read ahead, pages come into the page cache in pieces of many, and a
/// store to one of them has the whole piece written back.
int cpmem_populate_single_pages(void *base, size_t length);
/// The same as the first for a range of a file that is not mapped; offset and length are multiples
/// of a page.
int cpmem_populate_file(int file, int64_t offset, size_t length);
/// Sleeps while the low half of the 64-bit word is value, until cpmem_wake or a signal.
void cpmem_sleep(const void *word, uint32_t value);
/// Wakes so many of those that sleep on the word.
void cpmem_wake(const void *word, int32_t count);
/// 64 random bits from the kernel.
uint64_t cpmem_random64(void);

#endif
