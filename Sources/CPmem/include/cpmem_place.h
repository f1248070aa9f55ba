/*
 * Questions about one path that sysfs and procfs cannot answer: the system calls behind the
 * place facts. Nothing here changes anything on the file system or the device.
 *
 * Every function returns 0 or a positive errno value and touches `out` only on success.
 */
#ifndef CPMEM_PLACE_H
#define CPMEM_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* What statx(2) says about a path, symbolic links followed. */
struct cpmem_place_stat {
    uint64_t inode;
    uint64_t size;            /* bytes */
    int64_t change_seconds;   /* st_ctime, with nanoseconds below */
    uint32_t change_nanoseconds;
    uint64_t mount_id;        /* valid when has_mount_id is 1 (Linux 5.8) */
    uint32_t mode;            /* st_mode: type and permissions */
    uint32_t owner;
    uint32_t device_major;    /* the device the file lies on */
    uint32_t device_minor;
    uint32_t special_major;   /* the device a device node stands for */
    uint32_t special_minor;
    uint8_t has_mount_id;
    uint8_t knows_dax;        /* the kernel reports STATX_ATTR_DAX for this file system */
    uint8_t is_dax;
    uint8_t knows_mount_root;
    uint8_t is_mount_root;
    uint8_t may_read;         /* by this process, as the kernel would judge it now */
    uint8_t may_write;        /* of a directory: may make files in it */
};

/* What statfs(2) says about the file system a path lies on. */
struct cpmem_place_fs {
    uint64_t magic;
    uint64_t block_size;      /* bytes */
    uint64_t free_bytes;      /* available to unprivileged users */
    uint8_t is_read_only;
};

int cpmem_place_stat(const char *path, struct cpmem_place_stat *out);
int cpmem_place_fs(const char *path, struct cpmem_place_fs *out);

/* Resolves symbolic links. Writes a NUL-terminated path of at most `capacity` bytes. */
int cpmem_place_resolve(const char *path, char *out, size_t capacity);

/*
 * Writes the names in a directory, `.` and `..` left out, each followed by a NUL, to `out` and
 * their total size to `used`. ERANGE when `capacity` bytes are too few.
 */
int cpmem_place_list(const char *path, char *out, size_t capacity, size_t *used);

#endif
