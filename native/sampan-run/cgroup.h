/* The control group of a payload. */
#ifndef CGROUP_H
#define CGROUP_H

#include "payload.h"

/* Moves this process into the group of the `cgroup` record, if there is one. */
void cgroup_join(const struct start *start);

/* The watcher's: opens what is needed to end it. Not if the payload enters a container, whose group it is. */
void cgroup_keep(const struct start *start);

/* Kills what is in the kept group. */
void cgroup_kill(void);

/* Kills what is left and removes the kept group; false with errno if it stays. */
bool cgroup_remove(void);

#endif
