// The C side of the store: what Swift cannot promise (layout, atomics in raw memory, processor
// instructions, signal handlers) and the system libraries. Everything hot is static inline.
#ifndef CPMEM_H
#define CPMEM_H

#include "cpmem_atomics.h"
#include "cpmem_bucket.h"
#include "cpmem_checksum.h"
#include "cpmem_descriptors.h"
#include "cpmem_format.h"
#include "cpmem_guard.h"
#include "cpmem_order.h"
#include "cpmem_persist.h"
#include "cpmem_place.h"
#include "cpmem_probe.h"
#include "cpmem_record.h"
#include "cpmem_system.h"
#include "cpmem_thread.h"
#include "cpmem_unfinished.h"

#endif
