#ifndef CPMEM_H
#define CPMEM_H
#include <libpmem.h>
#endif
