// What the program needs from C.
#ifndef HOT_PATH_H
#define HOT_PATH_H

/// Begins to count callgrind's instructions from zero. Outside valgrind it does nothing, like
/// ``hot_path_count_end``.
void hot_path_count_begin(void);

/// Writes out what was counted, under this name, and stops counting.
void hot_path_count_end(const char *name);

/// The address of a word that the last thread writes which comes to a meeting. Prints where the
/// program's code is loaded.
unsigned long hot_path_marker(void);

/// Returns when so many threads have come here. Each prints an address on its stack before the
/// first meeting.
void hot_path_await(int threads);

/// Adds to a word that all threads add to, so many times.
void hot_path_add(long count);

#endif
