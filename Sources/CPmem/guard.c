// Invariants: see cpmem_guard.h.
#define _GNU_SOURCE
#include "cpmem.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 256 };

struct guard {
    uintptr_t base;
    uintptr_t end; // 0: the slot is free
    uint64_t faults;
    uint64_t last_fault;
};

uint64_t cpmem_guard_total;
static struct guard guards[SLOTS];
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static int installed;
static uintptr_t page_size;

static void forward(int signal_number, siginfo_t *info, void *context) {
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal_number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else {
        // The default action: returning runs into the same fault again and ends the process.
        signal(signal_number, SIG_DFL);
    }
}

// Puts zeroes over the faulting page. A devdax device cannot be split below its alignment, so there
// the smallest block that can be replaced is 2 MiB or 1 GiB. Returns the block, or 0.
static uintptr_t replace_block(uintptr_t address, uintptr_t base, uintptr_t end) {
    const uintptr_t sizes[] = {page_size, (uintptr_t)1 << 21, (uintptr_t)1 << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uintptr_t block = address & ~(sizes[i] - 1);
        if (block < base || sizes[i] > end - block)
            break;
        void *zeroes = mmap((void *)block, sizes[i], PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        if (zeroes != MAP_FAILED)
            return block;
    }
    return 0;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context) {
    uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < SLOTS; i++) {
        uintptr_t end = __atomic_load_n(&guards[i].end, __ATOMIC_ACQUIRE);
        uintptr_t base = __atomic_load_n(&guards[i].base, __ATOMIC_ACQUIRE);
        if (end == 0 || address < base || address >= end)
            continue;
        uintptr_t block = replace_block(address, base, end);
        if (block == 0)
            break;
        __atomic_store_n(&guards[i].last_fault, block - base, __ATOMIC_RELEASE);
        __atomic_fetch_add(&guards[i].faults, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&cpmem_guard_total, 1, __ATOMIC_SEQ_CST);
        return;
    }
    forward(signal_number, info, context);
}

int cpmem_guard_add(void *base, size_t length) {
    int slot = -1;
    pthread_mutex_lock(&guards_lock);
    if (!installed) {
        page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        installed = sigaction(SIGBUS, &action, &previous) == 0;
    }
    for (int i = 0; installed && i < SLOTS; i++) {
        if (guards[i].end != 0)
            continue;
        guards[i].faults = 0;
        guards[i].last_fault = 0;
        __atomic_store_n(&guards[i].base, (uintptr_t)base, __ATOMIC_RELEASE);
        __atomic_store_n(&guards[i].end, (uintptr_t)base + length, __ATOMIC_RELEASE);
        slot = i;
        break;
    }
    pthread_mutex_unlock(&guards_lock);
    return slot;
}

void cpmem_guard_remove(int slot) {
    if (slot < 0 || slot >= SLOTS)
        return;
    pthread_mutex_lock(&guards_lock);
    __atomic_store_n(&guards[slot].end, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&guards_lock);
}

uint64_t cpmem_guard_faults(int slot) {
    return slot < 0 ? 0 : __atomic_load_n(&guards[slot].faults, __ATOMIC_ACQUIRE);
}

uint64_t cpmem_guard_last_fault(int slot) {
    return slot < 0 ? 0 : __atomic_load_n(&guards[slot].last_fault, __ATOMIC_ACQUIRE);
}
