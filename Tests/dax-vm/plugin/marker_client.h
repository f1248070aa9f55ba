// The guest's side of marker.h for C programs.
#ifndef MARKER_CLIENT_H
#define MARKER_CLIENT_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "marker.h"

// Maps the marker page. Returns 0, or -1 with errno.
static inline int marker_open(void) {
    void *page = mmap((void *)MARKER_BASE, MARKER_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == MAP_FAILED) return -1;
    memset((char *)page + 0x800, 0, 1);   // touch both pages where no message lies
    memset((char *)page + 0x1800, 0, 1);
    return 0;
}

static inline void marker_touch(uint64_t address) { *(volatile uint8_t *)address = 0; }

static inline void marker_argument(uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        marker_touch(MARKER_BASE + 8 * (value >> shift & 15));
    }
    marker_touch(MARKER_COMMAND(MARKER_ARGUMENT));
}

static inline void marker_command(unsigned command) { marker_touch(MARKER_COMMAND(command)); }

static inline void marker_range(
    unsigned id, unsigned kind, uint64_t start, uint64_t length, uint64_t flags) {
    marker_argument(id);
    marker_argument(kind);
    marker_argument(start);
    marker_argument(length);
    marker_argument(flags);
    marker_command(MARKER_RANGE);
}

static inline void marker_begin(const char *name) {
    size_t left = strlen(name);
    for (; left > 0; name += 8, left -= left < 8 ? left : 8) {
        uint64_t word = 0;
        memcpy(&word, name, left < 8 ? left : 8);
        marker_argument(word);
        if (left < 8) break;
    }
    marker_command(MARKER_NAME);
    marker_command(MARKER_BEGIN);
}

#endif
