// See cpmem_unfinished.h. The signal handler reads lock-free atomics and paths that do not change
// while their slot is in use; it calls unlink, sigaction and raise alone.
#define _GNU_SOURCE
#include "cpmem_unfinished.h"
#include "cpmem_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 8, FREE = 0, CLAIMED = 1, IN_USE = 2 };

static struct {
    int state;
    char path[PATH_MAX];
} unfinished[SLOTS];

static void describe(int fd, char out[64]) { snprintf(out, 64, "/proc/thread-self/fd/%d", fd); }

int cpmem_open_nameless(const char *directory, unsigned mode) {
    int fd = cpmem_open(directory, O_TMPFILE | O_RDWR, mode);
    if (fd < 0)
        return -1;
    // Without /proc the file could never get a name.
    char self[64];
    describe(fd, self);
    if (access(self, F_OK) == 0)
        return fd;
    close(fd);
    return -1;
}

int cpmem_name_file(int fd, const char *path) {
    char self[64];
    describe(fd, self);
    return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int cpmem_rename_to_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    // A file system that cannot promise it in one call can do it in two.
    if (link(from, to) != 0)
        return errno;
    unlink(from);
    return 0;
}

int cpmem_unfinished_add(const char *path) {
    size_t size = strlen(path) + 1;
    for (int slot = 0; size <= PATH_MAX && slot < SLOTS; slot++) {
        int expected = FREE;
        if (!__atomic_compare_exchange_n(&unfinished[slot].state, &expected, CLAIMED, 0,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        memcpy(unfinished[slot].path, path, size);
        __atomic_store_n(&unfinished[slot].state, IN_USE, __ATOMIC_RELEASE);
        return slot;
    }
    return -1;
}

void cpmem_unfinished_remove(int slot) {
    if (slot >= 0)
        __atomic_store_n(&unfinished[slot].state, FREE, __ATOMIC_RELEASE);
}

static void on_end(int signal_number) {
    for (int slot = 0; slot < SLOTS; slot++)
        if (__atomic_load_n(&unfinished[slot].state, __ATOMIC_ACQUIRE) == IN_USE)
            unlink(unfinished[slot].path);
    // SA_RESETHAND has brought back the default action; the signal comes when this returns.
    raise(signal_number);
}

void cpmem_unfinished_watch_signals(void) {
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_end;
        action.sa_flags = SA_RESETHAND;
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, NULL);
    }
}
