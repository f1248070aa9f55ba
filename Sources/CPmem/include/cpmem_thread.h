// One word that each thread has for itself.
#ifndef CPMEM_THREAD_H
#define CPMEM_THREAD_H

#include <stdint.h>

/// The innermost callback that the thread runs; zero outside of all. The model is that of the
/// program itself: reading the word is one instruction.
extern _Thread_local uint64_t cpmem_thread_callback __attribute__((tls_model("initial-exec")));

static inline uint64_t cpmem_callback(void) { return cpmem_thread_callback; }
static inline void cpmem_set_callback(uint64_t frame) { cpmem_thread_callback = frame; }

#endif
