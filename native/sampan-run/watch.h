/* The watcher: sampan-run as the parent of the payload (docs/design/launch-file.md, "The watcher"). */
#ifndef WATCH_H
#define WATCH_H

#include "payload.h"

/* Starts the payload, stays until it has ended, and ends with its status. */
_Noreturn void watch(struct start *start);

#endif
