// A QEMU TCG plugin that counts loads and stores in chosen ranges and follows cache lines from
// store through flush to fence. See marker.h for how the guest controls it and what it writes.
//
// Arguments: out=FILE (required), user=on (instrument user-mode code only, a much faster boot).
//
// Invariants: all state belongs to the one emulated processor, so nothing is locked; counters move
// only between MARKER_BEGIN and MARKER_END; line states outlive phases, so that a line left dirty
// by one operation is still found at the acknowledgement of the next.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marker.h"
#include "qemu_plugin.h"

#ifndef __x86_64__
#error "flush addresses are read from QEMU's x86-64 register conventions"
#endif

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

enum { LINE = 64, MAX_RANGES = 8, MAX_ARGUMENTS = 8, MAX_VIOLATIONS = 8 };
enum { CLEAN, DIRTY, FLUSHED };
enum { ACCESS_NONTEMPORAL = 1 };
enum flush_kind { NOT_A_FLUSH, FLUSH_LINE, FENCE };

struct range {
    bool used;
    uint64_t kind, start, length, flags;
    uint64_t loads, stores, bytes, nontemporal, flushes, clean_flushes;
    uint64_t dirty, flushed, violations;
    uint8_t *state;     // one byte a line, tracked ranges only
    uint64_t *touched;  // line numbers that are not clean, in order of their first store
    size_t touched_count, touched_capacity;
};

// A flush instruction's memory operand: base + index * scale + displacement.
struct operand {
    int base, index;  // register numbers, -1 for none
    unsigned scale;
    int64_t displacement;
};

static struct range ranges[MAX_RANGES];
static uint64_t user_instructions, kernel_instructions, begin_user, begin_kernel;
static uint64_t accumulator, arguments[MAX_ARGUMENTS], fences, acknowledgements;
static unsigned argument_count;
static char phase[MAX_ARGUMENTS * 8 + 1];
static bool counting, user_only;
static FILE *out;

// MARK: Lines

static void touch(struct range *range, uint64_t line) {
    if (range->touched_count == range->touched_capacity) {
        range->touched_capacity = range->touched_capacity ? range->touched_capacity * 2 : 1024;
        range->touched = realloc(range->touched, range->touched_capacity * sizeof(uint64_t));
        if (!range->touched) abort();
    }
    range->touched[range->touched_count++] = line;
}

static void store_lines(struct range *range, uint64_t offset, uint64_t size, bool nontemporal) {
    for (uint64_t line = offset / LINE; line <= (offset + size - 1) / LINE; line++) {
        if (line >= range->length / LINE) return;
        uint8_t old = range->state[line];
        if (old == CLEAN) touch(range, line);
        bool flushed = range->flags & MARKER_FENCE_ONLY || (nontemporal && old != DIRTY);
        range->state[line] = flushed ? FLUSHED : DIRTY;
    }
}

static void flush_line(uint64_t address) {
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        if (!range->used || range->kind != MARKER_VIRTUAL) continue;
        uint64_t offset = address - range->start;
        if (offset >= range->length) continue;
        if (counting) range->flushes++;
        if (!range->state) continue;
        if (range->state[offset / LINE] == DIRTY) {
            range->state[offset / LINE] = FLUSHED;
        } else if (counting) {
            range->clean_flushes++;
        }
    }
}

static void fence(void) {
    if (counting) fences++;
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        size_t kept = 0;
        for (size_t i = 0; i < range->touched_count; i++) {
            uint64_t line = range->touched[i];
            if (range->state[line] == FLUSHED) {
                range->state[line] = CLEAN;
            } else {
                range->touched[kept++] = line;
            }
        }
        range->touched_count = kept;
    }
}

static void acknowledge(void) {
    acknowledgements++;
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        for (size_t i = 0; i < range->touched_count; i++) {
            uint64_t line = range->touched[i];
            bool dirty = range->state[line] == DIRTY;
            if (dirty) range->dirty++; else range->flushed++;
            if (range->violations++ < MAX_VIOLATIONS) {
                fprintf(out, "violation phase=%s id=%d line=0x%llx state=%s\n", phase, id,
                        (unsigned long long)line * LINE, dirty ? "dirty" : "flushed");
            }
            range->state[line] = CLEAN;  // report each loss once
        }
        range->touched_count = 0;
    }
}

// MARK: Commands

static void reset(void) {
    for (int id = 0; id < MAX_RANGES; id++) {
        free(ranges[id].state);
        free(ranges[id].touched);
    }
    memset(ranges, 0, sizeof ranges);
    phase[0] = 0;
    counting = false;
}

static void define_range(void) {
    if (argument_count < 5 || arguments[0] >= MAX_RANGES) return;
    struct range *range = &ranges[arguments[0]];
    free(range->state);
    free(range->touched);
    *range = (struct range){
        .used = true, .kind = arguments[1], .start = arguments[2], .length = arguments[3],
        .flags = arguments[4]};
    if (range->flags & MARKER_TRACK_LINES) {
        range->state = calloc(range->length / LINE + 1, 1);
        if (!range->state) abort();
    }
}

static void begin(void) {
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        range->loads = range->stores = range->bytes = range->nontemporal = 0;
        range->flushes = range->clean_flushes = 0;
        range->dirty = range->flushed = range->violations = 0;
    }
    fences = acknowledgements = 0;
    begin_user = user_instructions;
    begin_kernel = kernel_instructions;
    counting = true;
}

static void end(void) {
    counting = false;
    fprintf(out, "phase name=%s acks=%llu user=%llu kernel=%llu\n", phase,
            (unsigned long long)acknowledgements,
            (unsigned long long)(user_instructions - begin_user),
            (unsigned long long)(kernel_instructions - begin_kernel));
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        if (!range->used) continue;
        fprintf(out,
                "range phase=%s id=%d loads=%llu stores=%llu bytes=%llu nt=%llu flushes=%llu "
                "clean_flushes=%llu fences=%llu dirty=%llu flushed=%llu\n",
                phase, id, (unsigned long long)range->loads, (unsigned long long)range->stores,
                (unsigned long long)range->bytes, (unsigned long long)range->nontemporal,
                (unsigned long long)range->flushes, (unsigned long long)range->clean_flushes,
                (unsigned long long)fences, (unsigned long long)range->dirty,
                (unsigned long long)range->flushed);
    }
    fflush(out);
}

static void name_phase(void) {
    for (unsigned i = 0; i < argument_count; i++) {
        memcpy(phase + 8 * i, &arguments[i], 8);
    }
    phase[8 * argument_count] = 0;
}

static void marker(uint64_t offset) {
    if (offset < 8 * 16) {
        accumulator = accumulator << 4 | offset / 8;
        return;
    }
    if (offset < 0x1000) return;
    switch ((offset - 0x1000) / 8) {
    case MARKER_ARGUMENT:
        if (argument_count < MAX_ARGUMENTS) arguments[argument_count++] = accumulator;
        accumulator = 0;
        return;
    case MARKER_RESET: reset(); break;
    case MARKER_RANGE: define_range(); break;
    case MARKER_NAME: name_phase(); break;
    case MARKER_BEGIN: begin(); break;
    case MARKER_ACK: acknowledge(); break;
    case MARKER_END: end(); break;
    }
    argument_count = 0;
}

// MARK: Execution

static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *flags) {
    (void)vcpu;
    bool store = qemu_plugin_mem_is_store(info);
    if (vaddr - MARKER_BASE < MARKER_SIZE) {
        if (store) marker(vaddr - MARKER_BASE);
        return;
    }
    if (!counting) return;
    uint64_t size = 1ULL << qemu_plugin_mem_size_shift(info);
    for (int id = 0; id < MAX_RANGES; id++) {
        struct range *range = &ranges[id];
        if (!range->used) continue;
        uint64_t address = vaddr;
        if (range->kind == MARKER_PHYSICAL) {
            struct qemu_plugin_hwaddr *hardware = qemu_plugin_get_hwaddr(info, vaddr);
            if (!hardware || qemu_plugin_hwaddr_is_io(hardware)) continue;
            address = qemu_plugin_hwaddr_phys_addr(hardware);
        }
        if (address - range->start >= range->length) continue;
        if (!store) {
            range->loads++;
            continue;
        }
        bool nontemporal = (uintptr_t)flags & ACCESS_NONTEMPORAL;
        range->stores++;
        range->bytes += size;
        range->nontemporal += nontemporal;
        if (range->state) store_lines(range, address - range->start, size, nontemporal);
    }
}

// Generated code keeps the processor's state in %rbp, and a callback is called straight from it.
// The state begins with the sixteen general registers, in the order instructions number them.
__attribute__((noinline, optimize("omit-frame-pointer"))) static void on_flush(
    unsigned vcpu, void *data) {
    const uint64_t *registers;
    __asm__ volatile("mov %%rbp, %0" : "=r"(registers));
    (void)vcpu;
    const struct operand *operand = data;
    uint64_t address = (uint64_t)operand->displacement;
    if (operand->base >= 0) address += registers[operand->base];
    if (operand->index >= 0) address += registers[operand->index] * operand->scale;
    flush_line(address);
}

static void on_fence(unsigned vcpu, void *data) {
    (void)vcpu;
    (void)data;
    fence();
}

// MARK: Translation

struct decoded {
    bool operand_size, repeat, vex;
    unsigned rex, map_0f;  // map_0f: the opcode follows the 0F escape
    uint8_t opcode;
    const uint8_t *modrm;
};

static bool decode(const uint8_t *bytes, size_t size, struct decoded *result) {
    const uint8_t *end = bytes + size;
    *result = (struct decoded){0};
    for (; bytes < end; bytes++) {
        if (*bytes == 0x66) result->operand_size = true;
        else if (*bytes == 0xf2 || *bytes == 0xf3) result->repeat = true;
        else if (*bytes != 0x2e && *bytes != 0x3e && *bytes != 0x64 && *bytes != 0x65) break;
    }
    if (bytes < end && (*bytes & 0xf0) == 0x40) result->rex = *bytes++;
    if (end - bytes >= 3 && *bytes == 0x0f) {
        result->map_0f = 1;
        bytes += 1;
    } else if (end - bytes >= 4 && *bytes == 0xc5) {  // two-byte VEX implies the 0F map
        result->vex = true;
        result->map_0f = 1;
        result->operand_size = (bytes[1] & 3) == 1;
        bytes += 2;
    } else if (end - bytes >= 5 && *bytes == 0xc4) {
        result->vex = true;
        result->map_0f = (bytes[1] & 0x1f) == 1;
        result->operand_size = (bytes[2] & 3) == 1;
        bytes += 3;
    } else {
        return false;
    }
    if (end - bytes < 2) return false;
    result->opcode = bytes[0];
    result->modrm = bytes + 1;
    return result->map_0f;
}

static bool is_nontemporal(const struct decoded *insn) {
    if (*insn->modrm >> 6 == 3 || insn->repeat) return false;
    switch (insn->opcode) {
    case 0x2b: return true;                // movntps, movntpd
    case 0xe7: return true;                // movntdq, movntq
    case 0xc3: return !insn->operand_size && !insn->vex;  // movnti
    }
    return false;
}

static enum flush_kind flush_kind(const struct decoded *insn) {
    if (insn->opcode != 0xae || insn->vex || insn->repeat) return NOT_A_FLUSH;
    unsigned extension = *insn->modrm >> 3 & 7;
    if (*insn->modrm >> 6 == 3) return extension >= 6 ? FENCE : NOT_A_FLUSH;  // mfence, sfence
    if (extension == 7) return FLUSH_LINE;                          // clflush, clflushopt
    return extension == 6 && insn->operand_size ? FLUSH_LINE : NOT_A_FLUSH;  // clwb
}

static struct operand *decode_operand(const struct decoded *insn, uint64_t next_address) {
    struct operand *operand = malloc(sizeof *operand);  // lives as long as the translated code
    if (!operand) abort();
    const uint8_t *bytes = insn->modrm;
    unsigned mode = *bytes >> 6, register_field = *bytes & 7;
    bytes++;
    *operand = (struct operand){.base = -1, .index = -1, .scale = 1};
    bool wide = mode == 2;
    if (register_field == 4) {
        uint8_t sib = *bytes++;
        int index = (sib >> 3 & 7) | (insn->rex & 2 ? 8 : 0);
        operand->index = index == 4 ? -1 : index;
        operand->scale = 1u << (sib >> 6);
        if ((sib & 7) == 5 && mode == 0) {
            wide = true;
        } else {
            operand->base = (sib & 7) | (insn->rex & 1 ? 8 : 0);
        }
    } else if (register_field == 5 && mode == 0) {
        wide = true;
        operand->displacement = (int64_t)next_address;
    } else {
        operand->base = (int)register_field | (insn->rex & 1 ? 8 : 0);
    }
    if (wide) {
        int32_t displacement;
        memcpy(&displacement, bytes, 4);
        operand->displacement += displacement;
    } else if (mode == 1) {
        operand->displacement += (int8_t)*bytes;
    }
    return operand;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    bool kernel = qemu_plugin_tb_vaddr(tb) >> 63;
    size_t count = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_inline(
        tb, QEMU_PLUGIN_INLINE_ADD_U64, kernel ? &kernel_instructions : &user_instructions, count);
    if (kernel && user_only) return;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(insn);
        struct decoded decoded;
        uintptr_t flags = 0;
        if (decode(qemu_plugin_insn_data(insn), size, &decoded)) {
            enum flush_kind kind = flush_kind(&decoded);
            if (kind == FENCE) {
                qemu_plugin_register_vcpu_insn_exec_cb(
                    insn, on_fence, QEMU_PLUGIN_CB_NO_REGS, NULL);
            } else if (kind == FLUSH_LINE) {
                qemu_plugin_register_vcpu_insn_exec_cb(
                    insn, on_flush, QEMU_PLUGIN_CB_R_REGS,
                    decode_operand(&decoded, qemu_plugin_insn_vaddr(insn) + size));
            } else if (is_nontemporal(&decoded)) {
                flags = ACCESS_NONTEMPORAL;
            }
        }
        qemu_plugin_register_vcpu_mem_cb(
            insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)flags);
    }
}

static void on_shutdown(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(
    qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
        if (strcmp(argv[i], "user=on") == 0) user_only = true;
    }
    if (!out) {
        fprintf(stderr, "pmemtrace: out=FILE is missing or cannot be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_shutdown, NULL);
    return 0;
}
