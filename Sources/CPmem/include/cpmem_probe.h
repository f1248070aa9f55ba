/*
 * Experiments the doctor makes on a place: does the kernel accept MAP_SYNC, where do a file's
 * extents lie, does the kernel really use 2 MiB mappings.
 *
 * Nothing here changes a file: existing files are opened and mapped for reading only, and the one
 * file that may be created has no name (O_TMPFILE), no size on the medium, and is gone when its
 * descriptor is closed. No byte of a mapping is loaded, so poisoned memory raises no SIGBUS.
 *
 * Every function returns 0 or a positive errno value and touches `out` only on success.
 */
#ifndef CPMEM_PROBE_H
#define CPMEM_PROBE_H

#include <stddef.h>
#include <stdint.h>

struct cpmem_probe_sync {
    int32_t map_errno;    /* 0: the kernel accepted MAP_SYNC */
    uint8_t knows_dax;
    uint8_t is_dax;       /* STATX_ATTR_DAX of the file that was mapped */
};

struct cpmem_probe_extent {
    uint64_t logical;     /* bytes from the start of the file */
    uint64_t physical;    /* bytes from the start of the block device below the file system */
    uint64_t length;      /* bytes */
    uint32_t flags;       /* FIEMAP_EXTENT_* */
};

/* Addresses are numbers: nobody is to load from the mapping. */
struct cpmem_probe_mapping {
    uintptr_t reservation;
    size_t reserved;
    uintptr_t address;    /* multiple of 2 MiB */
    size_t length;        /* bytes */
};

/* Maps `length` bytes of an open file with MAP_SHARED_VALIDATE | MAP_SYNC and unmaps them. */
int cpmem_probe_map_sync(int fd, size_t length);

/*
 * Makes that experiment on the first `length` bytes of a file or device.
 * With `in_directory`, `path` is a directory and a nameless temporary file in it is mapped; the
 * result is EOPNOTSUPP when its file system has no such files.
 */
int cpmem_probe_sync(
    const char *path, int in_directory, size_t length, struct cpmem_probe_sync *out);

/* The extents of a file from byte `start` on, as FIEMAP lists them without syncing the file. */
int cpmem_probe_extents(
    const char *path, uint64_t start, struct cpmem_probe_extent *out, size_t capacity,
    size_t *count);

/* Maps the first `length` bytes of a file for reading at an address aligned to 2 MiB. */
int cpmem_probe_map(const char *path, size_t length, struct cpmem_probe_mapping *out);
void cpmem_probe_unmap(const struct cpmem_probe_mapping *mapping);

/*
 * Makes the kernel enter a range into the page tables (MADV_POPULATE_READ, Linux 5.14) and counts
 * the faults that took: one for a 2 MiB entry, 512 for 4 KiB entries.
 */
int cpmem_probe_populate(
    const struct cpmem_probe_mapping *mapping, size_t offset, size_t length, uint64_t *faults);

/*
 * PMEM_NO_FLUSH as it was when libpmem was loaded, which is when libpmem looks at it; cut after a
 * few characters. NULL when it was not set.
 */
const char *cpmem_no_flush_at_load(void);

#endif
