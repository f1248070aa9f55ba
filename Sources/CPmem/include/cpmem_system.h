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
/// Reserves addresses at which nothing is mapped, from a multiple of alignment on, which is a power
/// of two and at least a page. NULL on failure. Given back by cpmem_release.
void *cpmem_reserve_addresses(size_t length, size_t alignment);
/// Maps what a shared mapping of length bytes shows a second time, at addresses that are reserved,
/// in the same way (MAP_SYNC included). 0 or an errno.
int cpmem_map_again(void *mapping, size_t length, void *reserved);
/// Maps a range of a file, shared and writable, at addresses that are reserved; with MAP_SYNC or
/// not at all where that is asked for. Offset and reserved are multiples of a page. 0 or an errno:
/// then they stay reserved.
int cpmem_map_more(int file, int64_t offset, size_t length, void *reserved, int is_synchronous);
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
