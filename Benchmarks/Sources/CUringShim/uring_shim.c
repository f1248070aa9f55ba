#define _GNU_SOURCE
#include "uring_shim.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

struct uring_shim {
    struct io_uring ring;
};

uring_shim *uring_shim_open(int *error) {
    uring_shim *shim = calloc(1, sizeof *shim);
    if (shim == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    int status = io_uring_queue_init(8, &shim->ring, 0);
    if (status == 0) return shim;
    *error = -status;
    free(shim);
    return NULL;
}

void uring_shim_close(uring_shim *shim) {
    io_uring_queue_exit(&shim->ring);
    free(shim);
}

int uring_shim_register(uring_shim *shim, void *base, size_t size) {
    struct iovec range = {.iov_base = base, .iov_len = size};
    return io_uring_register_buffers(&shim->ring, &range, 1);
}

int uring_shim_unregister(uring_shim *shim) { return io_uring_unregister_buffers(&shim->ring); }

ssize_t uring_shim_read_fixed(uring_shim *shim, int fd, void *buffer, unsigned size,
                              off_t offset) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&shim->ring);
    if (entry == NULL) return -EBUSY;
    io_uring_prep_read_fixed(entry, fd, buffer, size, (__u64)offset, 0);
    int status = io_uring_submit(&shim->ring);
    if (status < 0) return status;
    struct io_uring_cqe *completion;
    status = io_uring_wait_cqe(&shim->ring, &completion);
    if (status < 0) return status;
    ssize_t result = completion->res;
    io_uring_cqe_seen(&shim->ring, completion);
    return result;
}
