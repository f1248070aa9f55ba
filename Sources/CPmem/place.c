/* The system calls behind the place facts; the header says what each one promises. */
#define _GNU_SOURCE
#include "cpmem_place.h"
#include "cpmem_descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Kernel headers older than Linux 5.8 do not name these bits. */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000
#endif
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

int cpmem_place_stat(const char *path, struct cpmem_place_stat *out) {
    struct statx st;
    memset(&st, 0, sizeof st);
    if (statx(AT_FDCWD, path, AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_MNT_ID, &st) != 0)
        return errno;
    *out = (struct cpmem_place_stat){
        .inode = st.stx_ino,
        .size = st.stx_size,
        .change_seconds = st.stx_ctime.tv_sec,
        .change_nanoseconds = st.stx_ctime.tv_nsec,
        .mode = st.stx_mode,
        .owner = st.stx_uid,
        .device_major = st.stx_dev_major,
        .device_minor = st.stx_dev_minor,
        .special_major = st.stx_rdev_major,
        .special_minor = st.stx_rdev_minor,
        .has_mount_id = (st.stx_mask & STATX_MNT_ID) != 0,
        .knows_dax = (st.stx_attributes_mask & STATX_ATTR_DAX) != 0,
        .is_dax = (st.stx_attributes & STATX_ATTR_DAX) != 0,
        .knows_mount_root = (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0,
        .is_mount_root = (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
        .may_read = faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0,
        .may_write = faccessat(
            AT_FDCWD, path, S_ISDIR(st.stx_mode) ? W_OK | X_OK : W_OK, AT_EACCESS) == 0,
    };
    if (out->has_mount_id)
        out->mount_id = st.stx_mnt_id;
    return 0;
}

int cpmem_place_fs(const char *path, struct cpmem_place_fs *out) {
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return errno;
    *out = (struct cpmem_place_fs){
        .magic = (uint64_t)fs.f_type,
        .block_size = (uint64_t)fs.f_bsize,
        .free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize,
        .is_read_only = (fs.f_flags & ST_RDONLY) != 0,
    };
    return 0;
}

int cpmem_place_resolve(const char *path, char *out, size_t capacity) {
    char *resolved = realpath(path, NULL);
    if (resolved == NULL)
        return errno;
    size_t size = strlen(resolved) + 1;
    int result = size <= capacity ? 0 : ERANGE;
    if (result == 0)
        memcpy(out, resolved, size);
    free(resolved);
    return result;
}

int cpmem_place_list(const char *path, char *out, size_t capacity, size_t *used) {
    int fd = cpmem_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int failure = errno;
        close(fd);
        return failure;
    }
    size_t total = 0;
    int result = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        size_t size = strlen(entry->d_name) + 1;
        if (size > capacity - total) {
            result = ERANGE;
            break;
        }
        memcpy(out + total, entry->d_name, size);
        total += size;
    }
    closedir(directory);
    if (result == 0)
        *used = total;
    return result;
}
