// The marker page: how a guest program talks to the pmemtrace plugin.
//
// A plugin of this interface version sees the addresses of stores, not their values, so a message
// is a sequence of stores (of any value) to chosen addresses of one fixed mapping. The program maps
// MARKER_SIZE bytes at MARKER_BASE (MAP_FIXED_NOREPLACE, anonymous, touched once beforehand) and
// then stores one byte
//
//   at MARKER_BASE + 8 * n, n < 16   to shift the nibble n into the accumulator,
//   at MARKER_COMMAND(c)             to run the command c:
//
//     MARKER_ARGUMENT   the accumulator becomes the next argument and is cleared (at most 8)
//     MARKER_RESET      forget ranges, line states and name
//     MARKER_RANGE      arguments: id (0-7), kind (MARKER_VIRTUAL or MARKER_PHYSICAL), start,
//                       length in bytes, flags (MARKER_TRACK_LINES, MARKER_FENCE_ONLY).
//                       Accesses in the range are counted; tracked lines also carry a state.
//     MARKER_NAME       arguments: the phase's name, 8 characters an argument, low byte first
//     MARKER_BEGIN      counters start from zero; accesses count from here on
//     MARKER_ACK        an acknowledgement: every tracked line stored so far must be durable here
//     MARKER_END        the phase is over; its report is written
//
// Commands other than MARKER_ARGUMENT consume all arguments. The machine has one processor
// (-smp 1) and only the marking program runs between MARKER_BEGIN and MARKER_END.
//
// A tracked line is dirty after a store, flushed after clwb, clflushopt, clflush or a non-temporal
// store, and durable after the next sfence or mfence. MARKER_FENCE_ONLY is for caches that are part
// of the persistence domain: a store counts as flushed. A line that is dirty or only flushed at an
// acknowledgement is a violation. Reports are lines of key=value words in the file named by the
// plugin's `out` argument:
//
//   phase name=put acks=1 user=5210 kernel=0
//   range phase=put id=0 loads=12 stores=30 bytes=240 nt=0 flushes=5 clean_flushes=1 fences=1
//         dirty=0 flushed=0                        (one line; the last two count violations)
//   violation phase=put id=0 line=0x1c0 state=dirty        (offset in the range; the first few)
//
// The addresses that clwb and its like name are taken from the registers of the emulated processor,
// which are only exact at the start of a translation block: run with QEMU's `singlestep on`
// whenever lines are tracked. Counting alone does not need it.
#ifndef MARKER_H
#define MARKER_H

#define MARKER_BASE 0x510000000000ULL
#define MARKER_SIZE 0x2000ULL
#define MARKER_COMMAND(c) (MARKER_BASE + 0x1000 + 8 * (c))

enum {
    MARKER_ARGUMENT,
    MARKER_RESET,
    MARKER_RANGE,
    MARKER_NAME,
    MARKER_BEGIN,
    MARKER_ACK,
    MARKER_END,
};
enum { MARKER_VIRTUAL, MARKER_PHYSICAL };
enum { MARKER_TRACK_LINES = 1, MARKER_FENCE_ONLY = 2 };

#endif
