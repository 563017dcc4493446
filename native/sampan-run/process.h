/* What the payload's process gets: directory, limits, descriptors, and the last step. */
#ifndef PROCESS_H
#define PROCESS_H

#include "root.h"

#include <sys/types.h>

/* The caller's directory, kept before anything changes. */
struct caller {
    int directory;          /* O_PATH, or -1: it was removed, or is not visible in this namespace */
    char path[MAX_PATH];    /* "" then */
    pid_t parent;           /* who started us */
    mode_t umask;
};

void caller_keep(struct caller *caller, const struct launch *launch);

/* The path at which the caller's directory will have to be bound, or NULL. */
const char *caller_wants(const struct caller *caller, const struct launch *launch);

/* Binds the caller's directory if the records ask for that and nothing else is there. Has to be done before something is mounted
 * below it, and at the end; the second time does nothing. */
void caller_bind(struct root *root, const struct launch *launch, const struct caller *caller);

/* Is the path `target` below the caller's directory? */
bool caller_is_above(const struct caller *caller, const char *target);

/* Closes what `fds` does not keep, but for `also` (-1: nothing). Nothing else of our own may be open. */
void process_close_descriptors(const struct launch *launch, int also);

/* Finds, binds or makes the payload's directory: O_PATH of it, inside the root; -1 if the records name none. */
int process_directory(struct root *root, const struct launch *launch, const struct caller *caller);

/* Everything else that execve keeps. `parent`: whose death kills the payload, 0 if nobody's. */
void process_set(const struct launch *launch, const struct caller *caller, int directory, pid_t parent);

/* Ties this process to `parent`, which must be alive: SIGKILL when it ends. */
void process_die_with(pid_t parent);

/* Runs the payload, or with `outside` a program of this machine; its words and environment are complete. Ends with 126 or 127 and the
 * reason if that fails. */
_Noreturn void process_run(char **words, char **environment, bool outside);

#endif
