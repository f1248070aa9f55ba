// Invariants: see cpmem_descriptors.h.
#define _GNU_SOURCE
#include "cpmem_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FIRST_FREE = STDERR_FILENO + 1 };

unsigned cpmem_fill_standard(void) {
    unsigned filled = 0;
    for (int fd = 0; fd < FIRST_FREE; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        // The lowest free number is this one: all below are open.
        int placeholder = open("/", O_PATH | O_CLOEXEC);
        if (placeholder < 0)
            break;
        if (placeholder < FIRST_FREE)
            filled |= 1u << placeholder;
        else
            close(placeholder);
    }
    return filled;
}

void cpmem_empty_standard(unsigned filled) {
    int failure = errno;
    for (int fd = 0; fd < FIRST_FREE; fd++)
        if (filled & 1u << fd)
            close(fd);
    errno = failure;
}

int cpmem_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE); }

int cpmem_open(const char *path, int flags, unsigned mode) {
    unsigned filled = cpmem_fill_standard();
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    // Another thread may have emptied its placeholders meanwhile, or closed a standard descriptor.
    if (fd >= 0 && fd < FIRST_FREE) {
        int low = fd;
        fd = cpmem_duplicate(low);
        int failure = errno;
        close(low);
        errno = failure;
    }
    cpmem_empty_standard(filled);
    return fd;
}

int cpmem_reopen_direct(int fd) {
    char self[64];
    snprintf(self, sizeof self, "/proc/thread-self/fd/%d", fd);
    return cpmem_open(self, O_RDONLY | O_DIRECT, 0);
}
