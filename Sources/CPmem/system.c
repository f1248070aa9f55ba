#define _GNU_SOURCE
#include "cpmem.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

_Thread_local uint64_t cpmem_thread_callback;

void *cpmem_map_readonly(int fd, size_t length) {
    void *base = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}

void *cpmem_reserve(size_t length, int huge_pages) {
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (huge_pages)
        madvise(base, length, MADV_HUGEPAGE);
    return base;
}

void cpmem_release(void *base, size_t length) { munmap(base, length); }

static void *reserve_addresses(void *at, size_t length, int flags) {
    return mmap(at, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

void *cpmem_reserve_addresses(size_t length, size_t alignment) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    length = (length + page - 1) & ~(page - 1);
    char *base = reserve_addresses(NULL, length + alignment, 0);
    if (base == MAP_FAILED)
        return NULL;
    size_t head = (size_t)(-(uintptr_t)base & (alignment - 1));
    if (head > 0)
        munmap(base, head);
    munmap(base + head + length, alignment - head);
    return base + head;
}

int cpmem_map_again(void *mapping, size_t length, void *reserved) {
    // An old size of 0 leaves the mapping that is there in its place.
    void *base = mremap(mapping, 0, length, MREMAP_MAYMOVE | MREMAP_FIXED, reserved);
    return base == MAP_FAILED ? errno : 0;
}

int cpmem_map_more(int file, int64_t offset, size_t length, void *reserved, int is_synchronous) {
    int kind = is_synchronous ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    void *base =
        mmap(reserved, length, PROT_READ | PROT_WRITE, kind | MAP_FIXED, file, offset);
    if (base != MAP_FAILED)
        return 0;
    int error = errno;
    // Some kernels have unmapped the addresses by then: nobody else is to be given them.
    reserve_addresses(reserved, length, MAP_FIXED_NOREPLACE);
    return error;
}

uint64_t cpmem_forks;
static void count_fork(void) { cpmem_forks++; }
__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

int cpmem_populate_write(void *base, size_t length) {
    return madvise(base, length, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
}

int cpmem_populate_single_pages(void *base, size_t length) {
    madvise(base, length, MADV_RANDOM);
    int error = cpmem_populate_write(base, length);
    madvise(base, length, MADV_NORMAL);
    return error;
}

int cpmem_populate_file(int file, int64_t offset, size_t length) {
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    if (base == MAP_FAILED)
        return errno;
    int error = cpmem_populate_write(base, length);
    munmap(base, length);
    return error;
}

static const uint32_t *low_half(const void *word) {
    return (const uint32_t *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

void cpmem_sleep(const void *word, uint32_t value) {
    syscall(SYS_futex, low_half(word), FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void cpmem_wake(const void *word, int32_t count) {
    syscall(SYS_futex, low_half(word), FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

uint64_t cpmem_random64(void) {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) == sizeof value && value != 0)
        return value;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return cpmem_key_hash(&now, sizeof now, (uint64_t)getpid());
}
