/* Process 1 of an own pid namespace. */
#ifndef INIT_H
#define INIT_H

#include <sys/types.h>

/* Passes signals on to `payload`, buries orphans, tells the watcher through `channel` what becomes of the payload, and ends with it:
 * then the kernel ends everything else in the namespace. */
_Noreturn void init_run(pid_t payload, int channel);

#endif
