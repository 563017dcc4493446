/* Who descends from whom. */
#ifndef FAMILY_H
#define FAMILY_H

#include <stdbool.h>
#include <sys/types.h>

/* The parent of a process; 0 if it cannot be told. */
pid_t family_parent(pid_t pid);

/* A child of a process; 0 if it has none. */
pid_t family_child(pid_t parent);

/* Is there such a process, and does it belong to this user? */
bool family_is_of_user(pid_t pid, uid_t user);

/* Is there a process of this one's process group that has this pid in a pid namespace below? */
bool family_has_inner(pid_t pid);

/* Kills all children of this process but those that `spared` names, until there is none: of a process that takes orphans in
 * (PR_SET_CHILD_SUBREAPER), that is everything below it. */
void family_kill(bool (*spared)(pid_t pid));

/* Kills everything below the process `top`, whose orphans do not come to this one, and `top` itself. */
void family_kill_below(pid_t top);

#endif
