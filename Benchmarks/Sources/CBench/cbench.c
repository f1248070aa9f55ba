#define _GNU_SOURCE
#include "cbench.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

bool bench_clock_uses_counter = false;

void bench_clock_use_counter(bool use) { bench_clock_uses_counter = use; }

long bench_minor_faults(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_minflt : 0;
}

void bench_trim_heap(void) { malloc_trim(0); }

ssize_t bench_pwrite_dsync(int fd, const void *buffer, size_t count, off_t offset) {
    struct iovec part = {.iov_base = (void *)buffer, .iov_len = count};
    return pwritev2(fd, &part, 1, offset, RWF_DSYNC);
}

ssize_t bench_process_read(pid_t pid, void *local, const void *remote, size_t count) {
    struct iovec to = {.iov_base = local, .iov_len = count};
    struct iovec from = {.iov_base = (void *)remote, .iov_len = count};
    return process_vm_readv(pid, &to, 1, &from, 1, 0);
}

int bench_run(const char *program, char *const arguments[], int *status) {
    posix_spawn_file_actions_t actions;
    pid_t child;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure != 0) return failure;
    failure = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (failure == 0)
        failure = posix_spawn(&child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) return failure;
    while (waitpid(child, status, 0) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

void *bench_map_aligned(int fd, size_t count, size_t alignment, size_t shift, bool sync) {
    size_t room = count + alignment + shift;
    char *hole = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hole == MAP_FAILED) return NULL;
    char *place = (char *)(((uintptr_t)hole + alignment - 1) & ~(alignment - 1)) + shift;
    int flags = (sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED) | MAP_FIXED;
    void *mapped = mmap(place, count, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (mapped == MAP_FAILED) {
        int error = errno;
        munmap(hole, room);
        errno = error;
        return NULL;
    }
    /* The parts of the hole around the mapping go back. */
    if (place > hole) munmap(hole, (size_t)(place - hole));
    size_t behind = (size_t)(hole + room - (place + count));
    if (behind > 0) munmap(place + count, behind);
    if (shift == 0) madvise(mapped, count, MADV_HUGEPAGE);
    return mapped;
}

int bench_populate(void *base, size_t count) { return madvise(base, count, MADV_POPULATE_WRITE); }

int bench_forget_blocks(int fd, size_t count) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)count);
}

int bench_open_direct(const char *path) { return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC); }

void *bench_map_table(size_t count) {
    void *table = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED) return NULL;
    madvise(table, count, MADV_HUGEPAGE);
    return table;
}
