/* The seccomp filter: stops the calls of calls/table.c, except when the engine makes them. */
#ifndef SAMPAN_FILTER_H
#define SAMPAN_FILTER_H

#include "../kernel/abi.h"

/* Installs it for this process and all its descendants, for ever; 0 or a negative error. */
long filter_install(void);

#endif
