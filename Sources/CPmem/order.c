// Sorting the entries of the ordered index when it is filled.
#include "cpmem.h"

/// Bits that one pass sorts by, and entries up to which moving each to its place is faster.
enum { DIGIT = 11, FEW = 32 };

static void insert_each(struct cpmem_ordered_entry *entries, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct cpmem_ordered_entry entry = entries[i];
        size_t place = i;
        for (; place > 0 && entries[place - 1].prefix > entry.prefix; place--)
            entries[place] = entries[place - 1];
        entries[place] = entry;
    }
}

/// Sorts by one digit, keeping the order of those that are alike in it.
static void sort_by_digit(const struct cpmem_ordered_entry *from, struct cpmem_ordered_entry *to,
                          size_t count, unsigned shift) {
    size_t ends[1 << DIGIT] = {0};
    for (size_t i = 0; i < count; i++)
        ends[from[i].prefix >> shift & ((1 << DIGIT) - 1)]++;
    size_t start = 0;
    for (size_t digit = 0; digit < 1 << DIGIT; digit++) {
        size_t length = ends[digit];
        ends[digit] = start;
        start += length;
    }
    for (size_t i = 0; i < count; i++)
        to[ends[from[i].prefix >> shift & ((1 << DIGIT) - 1)]++] = from[i];
}

void cpmem_sort_entries(struct cpmem_ordered_entry *entries, struct cpmem_ordered_entry *room,
                        size_t count) {
    if (count <= FEW) {
        insert_each(entries, count);
        return;
    }
    uint64_t differing = 0;
    for (size_t i = 1; i < count; i++)
        differing |= entries[i].prefix ^ entries[0].prefix;
    if (differing == 0)
        return;
    // The highest two digits in which they differ; where keys are spread evenly these leave next to
    // nothing to do, and each round behind them has 22 bits less to look at.
    unsigned bits = 64 - (unsigned)__builtin_clzll(differing);
    unsigned shift = bits > 2 * DIGIT ? bits - 2 * DIGIT : 0;
    sort_by_digit(entries, room, count, shift);
    sort_by_digit(room, entries, count, shift + DIGIT);
    if (shift == 0)
        return;
    for (size_t start = 0, end; start < count; start = end) {
        uint64_t digits = entries[start].prefix >> shift;
        for (end = start + 1; end < count && entries[end].prefix >> shift == digits; end++) {
        }
        if (end - start > 1)
            cpmem_sort_entries(entries + start, room, end - start);
    }
}
