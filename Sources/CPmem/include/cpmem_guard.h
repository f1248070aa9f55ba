// The SIGBUS guard: keeps the process alive when a load or store hits a poisoned line, a
// truncated file or a namespace that went away.
//
// Invariants:
// - The handler answers only for registered ranges; every other SIGBUS goes to the handler that
//   was installed before.
// - It never jumps: it maps an anonymous zero page over the faulting page, counts the fault and
//   returns, so the access completes on zeroes, which no checksum accepts.
// - Everything the handler reads is a lock-free atomic; it calls mmap alone.
#ifndef CPMEM_GUARD_H
#define CPMEM_GUARD_H

#include <stddef.h>
#include <stdint.h>

/// Registers [base, base + length) and installs the handler at the first call. Returns a slot
/// number, or -1 when all slots are taken or the handler cannot be installed.
int cpmem_guard_add(void *base, size_t length);
/// Forgets a range; its memory may be unmapped afterwards.
void cpmem_guard_remove(int slot);
/// Faults seen in this range so far.
uint64_t cpmem_guard_faults(int slot);
/// Offset in the range of the newest fault.
uint64_t cpmem_guard_last_fault(int slot);

/// Faults seen in all ranges: one load tells the hot path that nothing happened.
extern uint64_t cpmem_guard_total;
static inline uint64_t cpmem_guard_total_faults(void) {
    return __atomic_load_n(&cpmem_guard_total, __ATOMIC_ACQUIRE);
}

/// Counts a fault; for a medium of the tests that plays the guard.
static inline void cpmem_guard_count_fault(void) {
    __atomic_fetch_add(&cpmem_guard_total, 1, __ATOMIC_ACQ_REL);
}

#endif
