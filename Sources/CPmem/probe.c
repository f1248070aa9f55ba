/* The doctor's experiments; the header says what each one promises. */
#define _GNU_SOURCE
#include "cpmem_probe.h"
#include "cpmem_descriptors.h"
#include "cpmem_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define HUGE_BYTES ((size_t)2 << 20)

/* Opens for reading without touching the access time where the kernel permits that. */
static int open_quietly(const char *path) {
    int fd = cpmem_open(path, O_RDONLY | O_NONBLOCK | O_NOATIME, 0);
    if (fd < 0 && errno == EPERM)
        fd = cpmem_open(path, O_RDONLY | O_NONBLOCK, 0);
    return fd;
}

int cpmem_probe_map_sync(int fd, size_t length) {
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
    if (map == MAP_FAILED)
        return errno;
    munmap(map, length);
    return 0;
}

int cpmem_probe_sync(
    const char *path, int in_directory, size_t length, struct cpmem_probe_sync *out) {
    int fd = in_directory ? cpmem_open(path, O_TMPFILE | O_RDWR, 0600) : open_quietly(path);
    if (fd < 0)
        return errno == EISDIR ? EOPNOTSUPP : errno;
    if (in_directory && ftruncate(fd, (off_t)length) != 0) {
        int failure = errno;
        close(fd);
        return failure;
    }
    struct cpmem_probe_sync result = {.map_errno = cpmem_probe_map_sync(fd, length)};
    char self[64];
    struct cpmem_place_stat status;
    snprintf(self, sizeof self, "/proc/thread-self/fd/%d", fd);
    if (cpmem_place_stat(self, &status) == 0) {
        result.knows_dax = status.knows_dax;
        result.is_dax = status.is_dax;
    }
    close(fd);
    *out = result;
    return 0;
}

int cpmem_probe_extents(
    const char *path, uint64_t start, struct cpmem_probe_extent *out, size_t capacity,
    size_t *count) {
    if (capacity == 0 || capacity > UINT32_MAX / sizeof(struct fiemap_extent))
        return EINVAL;
    int fd = open_quietly(path);
    if (fd < 0)
        return errno;
    struct fiemap *map = calloc(1, sizeof *map + capacity * sizeof(struct fiemap_extent));
    int result = map == NULL ? ENOMEM : 0;
    if (result == 0) {
        map->fm_start = start;
        map->fm_length = FIEMAP_MAX_OFFSET - start;
        map->fm_extent_count = (uint32_t)capacity;
        if (ioctl(fd, FS_IOC_FIEMAP, map) != 0)
            result = errno;
    }
    if (result == 0) {
        for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *extent = &map->fm_extents[i];
            out[i] = (struct cpmem_probe_extent){
                .logical = extent->fe_logical,
                .physical = extent->fe_physical,
                .length = extent->fe_length,
                .flags = extent->fe_flags,
            };
        }
        *count = map->fm_mapped_extents;
    }
    free(map);
    close(fd);
    return result;
}

int cpmem_probe_map(const char *path, size_t length, struct cpmem_probe_mapping *out) {
    if (length == 0 || length > SIZE_MAX - HUGE_BYTES)
        return EINVAL;
    int fd = open_quietly(path);
    if (fd < 0)
        return errno;
    size_t reserved = length + HUGE_BYTES;
    void *reservation = mmap(
        NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reservation == MAP_FAILED) {
        int failure = errno;
        close(fd);
        return failure;
    }
    uintptr_t address = ((uintptr_t)reservation + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
    void *map = mmap((void *)address, length, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
    int failure = map == MAP_FAILED ? errno : 0;
    close(fd);
    if (failure != 0) {
        munmap(reservation, reserved);
        return failure;
    }
    *out = (struct cpmem_probe_mapping){
        .reservation = (uintptr_t)reservation,
        .reserved = reserved,
        .address = address,
        .length = length,
    };
    return 0;
}

void cpmem_probe_unmap(const struct cpmem_probe_mapping *mapping) {
    munmap((void *)mapping->reservation, mapping->reserved);
}

int cpmem_probe_populate(
    const struct cpmem_probe_mapping *mapping, size_t offset, size_t length, uint64_t *faults) {
    if (offset > mapping->length || length > mapping->length - offset)
        return EINVAL;
    struct rusage before, after;
    if (getrusage(RUSAGE_THREAD, &before) != 0)
        return errno;
    void *address = (void *)(mapping->address + offset);
    if (madvise(address, length, MADV_POPULATE_READ) != 0)
        return errno;
    if (getrusage(RUSAGE_THREAD, &after) != 0)
        return errno;
    *faults = (uint64_t)(after.ru_minflt - before.ru_minflt)
        + (uint64_t)(after.ru_majflt - before.ru_majflt);
    return 0;
}

static char no_flush[8];
static const char *no_flush_at_load;

__attribute__((constructor)) static void keep_no_flush(void) {
    const char *value = getenv("PMEM_NO_FLUSH");
    if (value == NULL)
        return;
    snprintf(no_flush, sizeof no_flush, "%s", value);
    no_flush_at_load = no_flush;
}

const char *cpmem_no_flush_at_load(void) { return no_flush_at_load; }
