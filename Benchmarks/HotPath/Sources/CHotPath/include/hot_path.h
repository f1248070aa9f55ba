// What the program needs from C.
#ifndef HOT_PATH_H
#define HOT_PATH_H

/// Begins to count callgrind's instructions from zero. Outside valgrind it does nothing, like
/// ``hot_path_count_end``.
void hot_path_count_begin(void);

/// Writes out what was counted, under this name, and stops counting.
void hot_path_count_end(const char *name);

#endif
