/* Calls that take a path and are younger than an engine that translates paths may be. */
#ifndef CALLS_H
#define CALLS_H

#include "launch.h"

/* Their names, for the record `refuse-calls` and the probe. */
#define CALL_NAMES "statx,openat2,faccessat2,fchmodat2,renameat2,execveat,open_tree,getxattrat,io_uring"

/* From here on the calls that the record names are missing, as in a kernel that is older than they are: programs go on with those that
 * they used before. */
void calls_refuse(const struct launch *launch);

/* What reaches `outside`, a directory of this machine with mode 0700, from inside a root that an engine without namespaces shows; a line
 * for each call: `ok`, `escapes`, or why it cannot be told. Exit status. */
int calls_probe(const char *outside);

#endif
