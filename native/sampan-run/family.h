/* Who descends from whom. */
#ifndef FAMILY_H
#define FAMILY_H

#include <stdbool.h>
#include <sys/types.h>

/* The parent of a process; 0 if it cannot be told. */
pid_t family_parent(pid_t pid);

/* Kills all children of this process but those that `spared` names, until there is none: of a process that takes orphans in
 * (PR_SET_CHILD_SUBREAPER), that is everything below it. */
void family_kill(bool (*spared)(pid_t pid));

#endif
