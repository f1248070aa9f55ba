// Opening files so that none of them is ever the standard input, output or error.
//
// A program may run with standard descriptors closed. The kernel gives the lowest free number to
// the next file that is opened; were that a pool, every reply or message of the program would be
// written over its superblock, and lines to be read would come out of its values.
#ifndef CPMEM_DESCRIPTORS_H
#define CPMEM_DESCRIPTORS_H

/// Puts placeholders, which can be neither read nor written (EBADF), in the place of standard
/// descriptors that are closed. Returns which, a bit each, for cpmem_empty_standard().
unsigned cpmem_fill_standard(void);
/// Closes the placeholders again.
void cpmem_empty_standard(unsigned filled);
/// open(2), with close-on-exec, of a descriptor above the standard ones. -1 on failure (errno is
/// set).
int cpmem_open(const char *path, int flags, unsigned mode);
/// A copy of a descriptor, with close-on-exec and above the standard ones. -1 on failure.
int cpmem_duplicate(int fd);
/// Opens a descriptor's file once more, for reading past the page cache. -1 where that is not
/// possible.
int cpmem_reopen_direct(int fd);

#endif
