/*
 * The two ways io_uring meets a mapping: registering it as fixed buffers (which pins every page),
 * and reading a file into a registered part of it. Functions return 0 or more for success and a
 * negative errno on failure. One thread at a time.
 */
#ifndef URING_SHIM_H
#define URING_SHIM_H
#include <stddef.h>
#include <sys/types.h>

typedef struct uring_shim uring_shim;

/* NULL when the kernel offers no io_uring; *error is then a positive errno. */
uring_shim *uring_shim_open(int *error);
void uring_shim_close(uring_shim *ring);

int uring_shim_register(uring_shim *ring, void *base, size_t size);
int uring_shim_unregister(uring_shim *ring);

/* Reads into the registered range and waits for it. */
ssize_t uring_shim_read_fixed(uring_shim *ring, int fd, void *buffer, unsigned size, off_t offset);

#endif
