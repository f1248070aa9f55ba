#ifndef CPMEM_H
#define CPMEM_H
#include <libpmem.h>
#include "cpmem_place.h"
#endif
