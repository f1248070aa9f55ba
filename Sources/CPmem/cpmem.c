#include "cpmem.h"
