/* Owners that one mapped id cannot have: noted for the payload, and shown to it (record `owners`). */
#ifndef OWNERSHIP_H
#define OWNERSHIP_H

#include "launch.h"

/* Opens what the record names, while the machine's files can be seen. `base` as for start_base(). */
void ownership_open(const struct launch *launch, int base);

/* From here on calls of this process, and of all that come from it, that have to do with owners are answered by a process beside it.
 * The last thing before execve. */
void ownership_begin(const struct launch *launch);

#endif
