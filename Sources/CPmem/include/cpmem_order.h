// Comparing keys in the nodes of the ordered index. What is read here may be changed meanwhile by
// another thread: words are loaded atomically, and the caller checks the node's version afterwards.
#ifndef CPMEM_ORDER_H
#define CPMEM_ORDER_H

#include "cpmem_atomics.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// Bytes that the keys of a node can share without being compared again; a multiple of 8.
enum { cpmem_shared_bytes = 48 };

/// The first eight bytes, zeroes behind the end, as a number that orders like them.
static inline uint64_t cpmem_sort_prefix(const void *bytes, size_t count) {
    uint64_t word = 0;
    if (count >= 8)
        memcpy(&word, bytes, 8);
    else if (count > 0)
        memcpy(&word, bytes, count);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/// Compares the first count bytes of a key, at most cpmem_shared_bytes, with those of a node.
static inline int cpmem_compare_shared(const void *key, const void *shared, size_t count) {
    uint64_t words[cpmem_shared_bytes / 8];
    for (size_t i = 0; i * 8 < count; i++)
        words[i] = cpmem_load_relaxed((const uint64_t *)shared + i);
    return memcmp(key, words, count);
}

/// Stores the bytes that the keys of a node share.
static inline void cpmem_store_shared(void *shared, const void *bytes, size_t count) {
    uint64_t words[cpmem_shared_bytes / 8] = {0};
    memcpy(words, bytes, count);
    for (size_t i = 0; i < cpmem_shared_bytes / 8; i++)
        cpmem_store_relaxed((uint64_t *)shared + i, words[i]);
}

/// Moves words of a node up or down inside their row. Readers that load them meanwhile find out
/// from the node's version; a build for ThreadSanitizer, which cannot know that, moves them one
/// by one, atomically (scripts/sanitize).
static inline void cpmem_move_words(void *to, const void *from, size_t count) {
#if defined(CPMEM_ATOMIC_MOVES)
    if (to < from) {
        for (size_t i = 0; i < count; i++)
            cpmem_store_relaxed((uint64_t *)to + i, cpmem_load_relaxed((const uint64_t *)from + i));
    } else {
        for (size_t i = count; i > 0; i--)
            cpmem_store_relaxed((uint64_t *)to + i - 1,
                                cpmem_load_relaxed((const uint64_t *)from + i - 1));
    }
#else
    memmove(to, from, count * 8);
#endif
}

/// Slots of a node's row that are below a word, all of which are read: those not in use are all
/// ones. Two rounds of comparisons that do not wait for each other, without branches: a search by
/// halves guesses wrong at every other step. Between the rounds the line of another row that
/// belongs to the slot is asked for.
static inline size_t cpmem_count_below(const void *row, const void *other, uint64_t word) {
    const uint64_t *words = (const uint64_t *)row;
    size_t lines = 0, count = 0;
    for (size_t i = 7; i < 63; i += 8)
        lines += cpmem_load_relaxed(words + i) < word;
    cpmem_prefetch((const char *)other + lines * 64);
    words += lines * 8;
    for (size_t i = 0; i < 8; i++)
        count += cpmem_load_relaxed(words + i) < word;
    return lines * 8 + count;
}

/// Words of an ascending row that are not above a word.
static inline size_t cpmem_count_not_above(const uint64_t *words, size_t count, uint64_t word) {
    size_t low = 0;
    while (count > 0) {
        size_t half = (count + 1) / 2;
        low += __builtin_unpredictable(words[low + half - 1] <= word) ? half : 0;
        count -= half;
    }
    return low;
}

/// Length of the common beginning of two byte strings.
static inline size_t cpmem_common_prefix(const void *a, size_t a_count, const void *b,
                                         size_t b_count) {
    size_t count = a_count < b_count ? a_count : b_count, i = 0;
    while (i < count && ((const uint8_t *)a)[i] == ((const uint8_t *)b)[i])
        i++;
    return i;
}

/// A record while the index is filled: eight bytes of its key, as cpmem_sort_prefix gives them, and
/// its location in units.
struct cpmem_ordered_entry {
    uint64_t prefix, units;
};

/// Sorts entries by their prefixes, those with the same one in any order. There is room for as many
/// more, which is overwritten. O(count) where keys are spread evenly, never above O(count * 32).
void cpmem_sort_entries(struct cpmem_ordered_entry *entries, struct cpmem_ordered_entry *room,
                        size_t count);

#endif
