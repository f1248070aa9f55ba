// Files that have no name before they are complete, or a temporary one where the file system cannot
// do without; and names that a file takes without taking them from another.
#ifndef CPMEM_UNFINISHED_H
#define CPMEM_UNFINISHED_H

/// Makes a file without a name in a directory, for reading and writing; gone when it is closed.
/// -1 where that is not possible, or cpmem_name_file() would not be.
int cpmem_open_nameless(const char *directory, unsigned mode);
/// Gives such a file a name. 0 or an errno; EEXIST when something has that name.
int cpmem_name_file(int fd, const char *path);
/// rename(2) to a name that nothing has. 0 or an errno; EEXIST when something has it.
int cpmem_rename_to_new(const char *from, const char *to);

/// Notes a temporary name that is to be removed should a signal end the process. Returns a slot
/// number, or -1 when all slots are taken.
int cpmem_unfinished_add(const char *path);
/// The file is complete, or removed.
void cpmem_unfinished_remove(int slot);
/// Has SIGINT, SIGTERM and SIGHUP remove what was noted before they end the process; those that
/// are ignored stay so.
void cpmem_unfinished_watch_signals(void);

#endif
