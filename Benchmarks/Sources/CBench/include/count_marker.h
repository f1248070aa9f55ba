/*
 * Marking phases for the counting machine of Tests/dax-vm: its QEMU plugin sees the addresses of
 * the stores below and counts, between "begin" and "end", loads and stores in up to eight ranges.
 * The protocol is that of Tests/dax-vm/plugin/marker.h, which says what each message means; these
 * stores mean nothing to a machine without the plugin.
 */
#ifndef COUNT_MARKER_H
#define COUNT_MARKER_H
#include <stdint.h>

enum { COUNT_VIRTUAL = 0, COUNT_PHYSICAL = 1 };

/* Maps the marker pages. 0, or -1 and errno. */
int count_marker_open(void);

void count_marker_reset(void);
void count_marker_range(unsigned id, unsigned kind, uint64_t start, uint64_t size);
void count_marker_begin(const char *name);
void count_marker_end(void);

#endif
